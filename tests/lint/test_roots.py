"""The folder in which the imports of a file are looked up."""

import pytest

import lint
from lint.subjects import roots

LAYERS = """\
from keras import layers

def norm(momentum):
    return layers.BatchNormalization(momentum=momentum)
"""
MODEL = "from pack.layers import norm\n\nmodel = norm(momentum=0.1)\n"


@pytest.fixture
def write(folder):
    def write(**texts):
        for name, text in texts.items():
            path = folder / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def found(target):
    return [(finding.path, finding.line) for finding in lint.check(target)]


@pytest.fixture
def pack(write):
    """A project without the mark of one, whose scripts are in a folder of their own."""
    write(code__pack__layers=LAYERS, code__scripts__train=MODEL)


@pytest.mark.usefixtures("pack")
class TestFolder:
    def test_is_the_project_of_its_files(self, command):
        assert found("code") == [("code/scripts/train.py", 3)]
        outcome = command("code")
        assert outcome.status == 1
        assert "code/scripts/train.py:3:" in outcome.out

    def test_by_another_name(self, folder, monkeypatch):
        monkeypatch.chdir(folder / "code")
        assert found(".") == [("scripts/train.py", 3)]
        (folder / "link").symlink_to(folder / "code")
        assert found(folder / "link") == [(f"{folder}/link/scripts/train.py", 3)]

    def test_of_which_a_part_is_named(self, command):
        assert found("code/scripts") == []
        assert found("code/scripts/train.py") == []
        assert command("code/scripts", "code").status == 1

    @pytest.mark.parametrize("mark", [".git", "pyproject.toml"])
    def test_with_the_mark_above(self, folder, mark):
        (folder / "code" / mark).touch()
        assert found("code/scripts") == [("code/scripts/train.py", 3)]

    def test_of_projects(self, folder, write):
        """A folder with projects in it is not one."""
        write(code__other__setup="")
        assert found("code") == []

    def test_of_very_many_files(self, monkeypatch):
        monkeypatch.setattr(roots, "_LARGEST", 1)
        assert found("code") == []

    def test_below_one_that_is_no_project(self, folder, write):
        write(setup="", x__setup="", code__y="")
        (folder / "setup.py").unlink()
        assert found(".") == [("code/scripts/train.py", 3)]


def test_files_of_one_name_are_not_mixed_up(write):
    """An import means the nearest file; another one only where none is nearer."""
    good = MODEL.replace("pack.layers", "layers")
    write(
        first__layers=LAYERS,
        first__train=good,
        second__layers=LAYERS.replace("momentum=momentum", "momentum=1 - momentum"),
        second__train=good,
    )
    assert found(".") == [("first/train.py", 3)]


def test_a_script_beside_another_does_not_change_its_findings(write):
    net = """\
import keras

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.norm = keras.layers.BatchNormalization()

    def call(self, x):
        return self.norm(x)
"""
    fits = "\nnet = Net()\nnet.compile('sgd', 'mse')\nnet.fit(data)\n"
    write(first=net + fits, second=net.replace("(self, x)", "(self, x, training=None)"))
    keras_3 = {"keras_version": "3.15"}
    alone = [finding.message for finding in lint.check("first.py", **keras_3)]
    assert [finding.message for finding in lint.check(".", **keras_3)] == alone


LOSSES = """\
import tensorflow as tf

def loss_fn(model, x, y):
    return tf.reduce_mean((model(x) - y) ** 2)
"""
TRAINING = """\
import keras
import tensorflow as tf
from losses import loss_fn

model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
optimizer = keras.optimizers.SGD(0.01)

def step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_fn(model, x, y)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
"""


@pytest.mark.parametrize(
    ("targets", "place"),
    [
        (["."], "losses.py:4"),
        (["losses.py"], "losses.py:4"),
        (["train.py", "losses.py"], "losses.py:4"),
        (["train.py"], "train.py:10"),
    ],
)
def test_a_flag_is_lost_once_in_what_is_linted(targets, place, write, command):
    write(losses=LOSSES, train=TRAINING)
    outcome = command(*targets, "--select=BN102", "--output-format=concise")
    assert outcome.out.count("BN102 error") == 1
    assert outcome.out.startswith(place)
