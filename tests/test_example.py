"""The example runs from end to end and shows what the README says that it shows."""

import os
import pathlib
import re
import subprocess
import sys

import keras
import pytest

EXAMPLE = pathlib.Path(__file__).parent.parent / "examples" / "train_lint_fold.py"


@pytest.mark.long
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="its figures are TensorFlow's"
)
def test_train_lint_fold(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    wrong, right = done.stdout.split("=== 3.")
    assert {"BN101", "BN201", "BN203"} <= set(re.findall(r"BN\d\d\d", wrong))
    assert "No findings in 2 files." in right
    assert "3 of 4 BN layers folded" in right
    before, after = re.findall(
        r"test accuracy (?:original|folded  ): ([\d.]+) %", right
    )
    assert before == after
    assert float(before) > 95
    assert (tmp_path / "train_lint_fold" / "accuracy.png").stat().st_size > 10_000
