"""Notebooks: places by cell, and what is not Python taken out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import lint
from lint.findings import Severity
from lint.rules import all_rules
from lint.subjects.source import Module, Project, UnreadableSource, module_from_bytes

if TYPE_CHECKING:
    from pathlib import Path


def content_of(*cells: str) -> dict[str, object]:
    return {
        "cells": [
            {"cell_type": "markdown", "source": "# Title"},
            *(
                {"cell_type": "code", "source": cell.splitlines(keepends=True)}
                for cell in cells
            ),
        ],
        "nbformat": 4,
    }


def notebook(*cells: str, folder: Path) -> Module:
    data = json.dumps(content_of(*cells)).encode()
    return module_from_bytes(data, folder / "notebook.ipynb", Project(folder))


def places(module: Module) -> list[tuple[int | None, int | None, int | None]]:
    return [
        (finding.location.cell, finding.location.line, finding.location.column)
        for rule in all_rules()
        for finding in rule.check_source(module)
    ]


IMPORTS = "from keras import layers"
BAD = "layers.BatchNormalization(momentum=0.1)"
FITTED = """
import keras

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(x)

Net().fit(x, y)
"""


def test_places_are_cells_and_lines(tmp_path: Path) -> None:
    module = notebook(IMPORTS, "x = 1\n\n" + BAD, BAD, folder=tmp_path)
    column = BAD.index("momentum") + 1
    assert places(module) == [(2, 3, column), (3, 1, column)]


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("%matplotlib inline\n" + BAD, 2),
        ("!pip install keras \\\n  --upgrade\n" + BAD, 3),
        ("files = !ls\n" + BAD, 2),
        ("data = %sql select 1\n" + BAD, 2),
        ("layers?\n" + BAD, 2),
        ("?layers\n" + BAD, 2),
        ("ls ./data\n" + BAD, 2),
        ("%%time\n" + BAD, 2),
        ("\n%%capture out\n" + BAD, 3),
        ("if True:\n    %time pass\nelse:\n    !ls\n" + BAD, 5),
        ("x = ('%d'\n  % 3)\n" + BAD, 3),
        ("x = '''\n%magic\n!shell\n'''\n" + BAD, 5),
        ("s = 'a=%s' % ('b',)\n" + BAD, 2),
        ("print('a=%d' % (3,))\n" + BAD, 2),
        ("f('a', \"n=!\", 'b =%s' % 3)\n" + BAD, 2),
        ("a.b[0] = !ls\n" + BAD, 2),
        ("a, b = %sql x\n" + BAD, 2),
        ("x = (\n    'n = %d'\n    'm=%d' % (1, 2))\n" + BAD, 4),
        ("x = 7 \\\n  % 3\n" + BAD, 3),
        ("await something\n" + BAD, 2),
    ],
)
def test_magics_are_blanked(cell: str, line: int, tmp_path: Path) -> None:
    module = notebook(IMPORTS, cell, folder=tmp_path)
    assert places(module) == [(2, line, BAD.index("momentum") + 1)]


@pytest.mark.parametrize("magic", ["%%bash", "%%html", "%%writefile a.py", "%%js"])
def test_cells_in_other_languages_are_left_out(magic: str, tmp_path: Path) -> None:
    module = notebook(IMPORTS, f"{magic}\n{BAD}\n<b>(", BAD, folder=tmp_path)
    assert places(module) == [(3, 1, BAD.index("momentum") + 1)]


@pytest.mark.parametrize(
    ("magic", "codes"),
    [
        ("%env KERAS_BACKEND=jax", ["BN113"]),
        ("%set_env KERAS_BACKEND jax", ["BN113"]),
        ("%env KERAS_BACKEND=tensorflow", []),
        ("%env OTHER={value}", []),
        ("%env", []),
    ],
)
def test_a_magic_sets_the_backend(magic: str, codes: list[str], tmp_path: Path) -> None:
    module = notebook(magic, IMPORTS, FITTED, folder=tmp_path)
    found = [finding for rule in all_rules() for finding in rule.check_source(module)]
    assert [one.code for one in found if one.severity is not Severity.INFO] == codes


def test_an_indented_cell(tmp_path: Path) -> None:
    module = notebook(IMPORTS, f"  x = 1\n  {BAD}", folder=tmp_path)
    assert places(module) == [(2, 2, BAD.index("momentum") + 3)]


def test_a_broken_cell_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    cells = (IMPORTS, BAD, 'x = 1\nprint "ä", (', f"\n  y = 1\n  {BAD}", "1 +")
    module = notebook(*cells, folder=tmp_path)
    assert [(file.cell, file.line) for file in module.unread] == [(3, 2), (5, 1)]
    assert all(file.reason.endswith("(in this cell)") for file in module.unread)
    column = BAD.index("momentum") + 1
    assert places(module) == [(2, 1, column), (4, 3, column + 2)]


@pytest.mark.parametrize("cells", [("y = (",), ("", "print 1", "y = (")])
def test_a_notebook_without_a_cell_that_can_be_read(cells, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource) as raised:
        notebook(*cells, folder=tmp_path)
    assert raised.value.cell == next(
        number for number, cell in enumerate(cells, 1) if cell in ("y = (", "print 1")
    )


def test_noqa_counts_behind_a_broken_cell(tmp_path: Path) -> None:
    cells = (IMPORTS, "x = '''' (", f"{BAD}  # noqa: BN201", BAD)
    (tmp_path / "a.ipynb").write_text(json.dumps(content_of(*cells)))
    findings = lint.check(tmp_path / "a.ipynb")
    found = [(finding.code, finding.location.cell) for finding in findings]
    assert found == [("BN001", 2), ("BN201", 4)]


TF1 = """import tensorflow as tf
hidden = tf.layers.batch_normalization(x, training=is_training)
train_op = tf.train.AdamOptimizer().minimize(loss)
"""
MODEL = """import keras
class Net(keras.Model):
    def __init__(self):
        self.bn = keras.layers.BatchNormalization()
    def call(self, x{parameter}):
        return self.bn(x{flag})
"""


@pytest.mark.parametrize(
    ("cell", "broken", "found"),
    [
        (TF1, "print 'nothing'", ["BN301"]),
        (TF1, "ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS)\nprint ops", []),
        (MODEL.format(parameter="", flag=""), "print 1", ["BN101"]),
        (MODEL.format(parameter="", flag=""), "Net()(x, training=True); print 1", []),
        (
            MODEL.format(parameter=", train=False", flag=", train"),
            "print 1",
            ["BN108"],
        ),
        (MODEL.format(parameter=", train=False", flag=", train"), "print Net()", []),
    ],
)
def test_what_a_broken_cell_may_hold(cell, broken, found, tmp_path: Path) -> None:
    module = notebook(cell, broken, folder=tmp_path)
    codes = [
        finding.code for rule in all_rules() for finding in rule.check_source(module)
    ]
    assert codes == found


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b"{", b'{"cells": 3}', b"[" * 100_000, b"\xff\xfe"],
    ids=lambda data: repr(data)[:12],
)
def test_no_notebook(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="not a notebook"):
        module_from_bytes(data, tmp_path / "a.ipynb", Project(tmp_path))


def test_odd_cells(tmp_path: Path) -> None:
    cells = [None, {}, {"cell_type": "code"}, {"cell_type": "code", "source": "a\0"}]
    data = json.dumps({"cells": cells}).encode()
    module_from_bytes(data, tmp_path / "a.ipynb", Project(tmp_path))


def test_old_format(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "input": [IMPORTS + "\n", BAD]}
    data = json.dumps({"worksheets": [{"cells": [cell]}]}).encode()
    module = module_from_bytes(data, tmp_path / "a.ipynb", Project(tmp_path))
    assert places(module) == [(1, 2, BAD.index("momentum") + 1)]


def test_what_is_timed_is_read(tmp_path: Path) -> None:
    module = notebook(IMPORTS, f"%time m = {BAD}", folder=tmp_path)
    assert places(module) == [(2, 1, len("%time m = ") + BAD.index("momentum") + 1)]


@pytest.mark.parametrize("magic", ["%time -n x", "%time for x in y:", "%time !ls"])
def test_other_timed_lines_are_left_out(magic: str, tmp_path: Path) -> None:
    module = notebook(IMPORTS, f"{magic}\n{BAD}", folder=tmp_path)
    assert places(module) == [(2, 2, BAD.index("momentum") + 1)]


@pytest.mark.parametrize(
    "command",
    [
        "files = !ls -l \\\n    --all \\\n    --size",
        "a, b = !ls \\\n  -l",
        "found['x'] = !ls \\\n  -l",
        "(a, b) = %sx ls \\\n  -l",
        "for each in (1, 2):\n    out = !ls {each} \\\n        -l\n    print(out)",
        "!ls \\\n  -l",
    ],
)
def test_a_command_that_goes_on_in_the_next_line(command: str, tmp_path: Path) -> None:
    module = notebook(command, IMPORTS, BAD, folder=tmp_path)
    assert not module.unread
    found = [finding for rule in all_rules() for finding in rule.check_source(module)]
    assert [(finding.code, finding.location.cell) for finding in found] == [
        ("BN201", 3)
    ]


def test_half_of_a_surrogate_pair(tmp_path: Path) -> None:
    cells = (IMPORTS, f"{BAD}  # half: \ud83d", "s = '\udc00'")
    (tmp_path / "a.ipynb").write_text(json.dumps(content_of(*cells)))
    findings = lint.check(tmp_path / "a.ipynb")
    assert [(finding.code, finding.location.cell) for finding in findings] == [
        ("BN201", 2)
    ]
