"""Linting a file loads no framework, and importing the lint next to nothing."""

import json

import pytest

from .conftest import BAD_SOURCE, SAVED_MODELS

LOADED = """
import json, sys
{body}
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""
COMMAND = """
from lint.cli import main
try:
    main([*sys.argv[1:], "--output-file", "report"])
except SystemExit as error:
    assert error.code in (0, 1), error.code
"""
# What a fork loads is out of sight.
NO_FORK = """
from kerasbn import isolation
isolation.may_fork = lambda: False
"""
FRAMEWORKS = {"keras", "tf_keras", "tensorflow", "jax", "torch"}


def loaded(subprocess_python, folder, body, *arguments):
    outcome = subprocess_python(LOADED.format(body=body), *arguments, cwd=folder)
    assert outcome.status == 0, outcome.err
    return set(json.loads(outcome.out))


@pytest.mark.parametrize(
    "model",
    [
        *("keras-3.15/functional.keras", "keras-3.15/functional.h5"),
        *("keras-3.15/subclassed.keras", "keras-3.15/bfloat16.keras"),
        *("tf_keras-2/functional.keras", "tf_keras-2/functional.h5"),
    ],
)
def test_a_model_file_needs_no_framework(subprocess_python, folder, model):
    body = NO_FORK + COMMAND
    names = loaded(subprocess_python, folder, body, SAVED_MODELS / model)
    assert "h5py" in names
    assert not names & FRAMEWORKS


def test_a_model_file_needs_nothing_that_reads_source(subprocess_python, folder):
    body = NO_FORK + COMMAND
    body += "\nassert not [n for n in sys.modules if '.source.' in n]"
    loaded(subprocess_python, folder, body, SAVED_MODELS / "keras-3.15/functional.h5")


def test_source_needs_not_even_numpy(subprocess_python, folder):
    (folder / "bad.py").write_text(BAD_SOURCE)
    names = loaded(subprocess_python, folder, COMMAND, "bad.py")
    assert not names & {*FRAMEWORKS, "numpy", "h5py"}


def test_one_model_file_loads_h5py_in_the_fork_alone(subprocess_python, folder):
    model = SAVED_MODELS / "keras-3.15/functional.keras"
    assert not loaded(subprocess_python, folder, COMMAND, model) & {"numpy", "h5py"}
    # Each of several forks would have to load it again.
    other = SAVED_MODELS / "keras-3.15/functional.h5"
    assert "h5py" in loaded(subprocess_python, folder, COMMAND, model, other)


def test_importing_the_lint_loads_next_to_nothing(subprocess_python, folder):
    names = loaded(subprocess_python, folder, "import lint")
    assert not names & {*FRAMEWORKS, "numpy", "h5py", "rich", "click"}


def test_nothing_linted_is_run(subprocess_python, folder):
    (folder / "bad.py").write_text(f"{BAD_SOURCE}\nopen('ran', 'w')\n")
    loaded(subprocess_python, folder, COMMAND, ".")
    assert not (folder / "ran").exists()
