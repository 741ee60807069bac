"""`[tool.model-lint]`: where it is found, what it does, and what it refuses."""

import pytest

import lint
from lint import UsageError
from lint.config import config_for

from .conftest import BAD_SOURCE, SAVED_MODELS

MODEL = SAVED_MODELS / "keras-3.15/sequential.keras"  # bn_dense has momentum=0.1.


@pytest.fixture
def configure(folder):
    def write(table, place="."):
        (folder / place).mkdir(parents=True, exist_ok=True)
        text = f"[tool.model-lint]\n{table}\n"
        (folder / place / "pyproject.toml").write_text(text)

    (folder / "src").mkdir()
    (folder / "src/a.py").write_text(BAD_SOURCE)
    return write


def codes(target, **options):
    return [finding.code for finding in lint.check(target, **options)]


def test_without_a_file_the_default_rules_apply(configure):
    assert codes("src") == ["BN201"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("select = ['BN202']", []),
        ("select = ['BN201']", ["BN201"]),
        ("select = ['momentum-too-small']", ["BN201"]),
        ("ignore = ['BN2']", []),
        ("exclude = ['src']", []),
        ("exclude = ['src/']", []),
        ("exclude = ['a.py']", []),
        ("exclude = ['*/a.py']", []),
        ("exclude = ['b.py']", ["BN201"]),
        ("per-file-ignores = { 'src/*' = ['BN201'] }", []),
        ("per-file-ignores = { './src/a.py' = ['BN2'] }", []),
        ("per-file-ignores = { 'a.py' = ['BN2'] }", []),
        ("per-file-ignores = { 'src/*' = ['BN202'] }", ["BN201"]),
        ("per-file-ignores = { 'tests/*' = ['BN201'] }", ["BN201"]),
    ],
)
def test_settings(configure, table, expected):
    configure(table)
    assert codes(".") == expected


def test_a_table_without_the_tool_is_passed_over(configure, folder):
    configure("ignore = ['BN201']")
    (folder / "src/pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert codes("src/a.py") == []


def test_the_nearest_file_counts(configure):
    configure("ignore = ['BN201']")
    configure("ignore = ['BN202']", "src")
    assert codes("src") == ["BN201"]
    assert codes(".") == []


def test_outside_the_targets_folder_the_current_one_counts(
    configure, folder, tmp_path_factory
):
    configure("ignore = ['BN201']")
    other = tmp_path_factory.mktemp("other") / "b.py"
    other.write_text(BAD_SOURCE)
    assert codes(other) == []
    (other.parent / "pyproject.toml").write_text("[tool.model-lint]\n")
    assert codes(other) == ["BN201"]


def test_globs_are_relative_to_the_file_that_holds_them(configure, monkeypatch, folder):
    configure("per-file-ignores = { 'src/a.py' = ['BN201'] }")
    monkeypatch.chdir(folder / "src")
    assert codes("a.py") == []


def test_layers_are_ignored_by_their_path(configure, folder):
    assert codes(MODEL) == ["BN201"]
    configure("per-layer-ignores = { 'bn_d*' = ['BN201'] }")
    assert codes(MODEL) == []
    configure("per-layer-ignores = { '*/bn_dense' = ['BN201'] }")
    assert codes(MODEL) == ["BN201"]
    configure("per-layer-ignores = { 'bn_dense' = ['BN203'] }")
    assert codes(MODEL) == ["BN201"]


def test_a_caller_who_selects_overrides_the_file(configure):
    configure("select = ['BN202']\nignore = ['BN201']")
    assert codes("src", select=["BN201"]) == ["BN201"]
    assert codes("src", select="BN201,BN202") == ["BN201"]


def test_a_caller_who_ignores_adds_to_the_file(configure):
    configure("ignore = ['BN203']")
    assert config_for(["src"]).override(ignore=["BN201"]).ignore == ("BN203", "BN201")
    assert codes("src", ignore="BN201") == []


def test_the_keras_version_reaches_source(configure, folder):
    source = """\
from tensorflow import keras

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()

    def call(self, x):
        return self.bn(x)

net = Net()
net.compile("sgd", "mse")
net.fit(x, y)
"""
    (folder / "src/a.py").write_text(source)
    configure("keras-version = '2.15'")
    assert codes("src") == []
    assert codes("src", keras_version="3.15") == ["BN101"]
    configure("keras-version = '3.15'")
    assert codes("src") == ["BN101"]
    assert lint.check("src")[0].severity == "error"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("selct = ['BN201']", "Did you mean 'select'?"),
        ("per-files-ignores = {}", "Did you mean 'per-file-ignores'?"),
        ("select = ['BN2O1']", "Did you mean 'BN201'?"),
        ("ignore = ['BN2O1']", "Did you mean 'BN201'?"),
        ("per-file-ignores = { 'a' = ['BN2O1'] }", "Did you mean 'BN201'?"),
        ("select = 'BN201'", "Received: 'BN201'"),
        ("select = [1]", "Received: [1]"),
        ("exclude = 3", "Received: 3"),
        ("per-layer-ignores = ['BN201']", "Received: ['BN201']"),
        ("keras-version = 3", "Received: 3"),
        ("keras-version = 'three'", "Received: 'three'"),
        ("fail-on = 'warnings'", "Received: 'warnings'"),
        ("baseline = 3", "Received: 3"),
        ("baselin = 'known.json'", "Did you mean 'baseline'?"),
        ("select = [", "cannot be read"),
    ],
)
def test_what_is_wrong_is_refused(configure, command, table, message):
    configure(table)
    with pytest.raises(UsageError, match=r"pyproject\.toml") as error:
        lint.check("src")
    assert message in str(error.value)
    outcome = command("src")
    assert outcome.status == 2
    assert outcome.err == f"Error: {error.value}\n"
    assert outcome.out == ""


def test_a_table_that_is_no_table_is_refused(folder):
    (folder / "pyproject.toml").write_text("[tool]\nmodel-lint = 3\n")
    with pytest.raises(UsageError, match="must be a table"):
        lint.check(".")
