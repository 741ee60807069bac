"""Comments silence what they name, where they stand, and nothing else."""

import json

import pytest

import lint

CALL = "bn = keras.layers.BatchNormalization(momentum=0.1)"


def found(folder, source, name="source.py"):
    (folder / name).write_text(source)
    findings = lint.check(folder / name, select=["BN2"])
    return [(finding.code, finding.line) for finding in findings]


def source(comment):
    return f"import keras\n{CALL}  {comment}\n"


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "#noqa",
        "# NOQA",
        "# noqa: BN201",
        "# noqa:BN201",
        "# noqa: F401, BN201",
        "# noqa: F401 BN201",
        "# noqa: bn201",
        "# noqa: BN2",
        "# deliberate  # noqa: BN201",
        "# noqa: BN201  # the paper has it so",
        "# model-lint: ignore",
        "# model-lint: ignore[BN201]",
        "# model-lint:ignore[BN101, BN201]",
        "# model-lint: ignore[momentum-too-small]",
        "# model-lint: ignore [BN201]",
        "# type: ignore  # model-lint: ignore[BN201]",
    ],
)
def test_silences(folder, comment):
    assert found(folder, source(comment)) == []


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "# noqa: F401",
        "# noqa: because I say so",
        "# noqa: BN202",
        "# noqa-ish",
        "# noqable",
        "# model-lint: ignore[BN202]",
        "# model-lint: ignore[]",
        "# model-lint: ignore [BN202]",
        "# model-lint: ignore [BN201",
        "# model-lint: ignore[BN201",
        "# type: ignore",
        "# pylint: disable=all",
    ],
)
def test_does_not_silence(folder, comment):
    assert found(folder, source(comment)) == [("BN201", 2)]


def test_text_in_a_string_is_no_comment(folder):
    call = CALL.replace("0.1", "0.1, name='# noqa'")
    assert found(folder, f"import keras\n{call}\n") == [("BN201", 2)]


@pytest.mark.parametrize("line", [2, 3, 4])
def test_any_line_of_the_statement_counts(folder, line):
    lines = [
        "import keras",
        "bn = keras.layers.BatchNormalization(",
        "    momentum=0.1,",
        ")",
    ]
    lines[line - 1] += "  # noqa: BN201"
    assert found(folder, "\n".join(lines)) == []


@pytest.mark.parametrize(
    ("line", "is_silenced"), [(5, False), (6, True), (7, True), (8, True), (9, False)]
)
def test_any_line_of_a_header_counts(folder, line, is_silenced):
    lines = [
        "import keras",
        "class Net(keras.Model):",
        "    def __init__(self):",
        "        super().__init__()",
        "        self.drop = keras.layers.Dropout(0.5)",
        "    def call(",
        "        self, x",
        "    ):",
        "        return self.drop(x)",
        "net = Net()",
        "net.compile('sgd')",
        "net.fit(x)",
    ]
    lines[line - 1] += "  # noqa: BN101"
    (folder / "source.py").write_text("\n".join(lines))
    findings = lint.check(folder / "source.py", select=["BN101"])
    assert [finding.line for finding in findings] == ([] if is_silenced else [6])


def test_another_statement_does_not_count(folder):
    text = f"import keras  # noqa\n{CALL}\nx = 1  # noqa\n"
    assert found(folder, text) == [("BN201", 2)]


def test_a_comment_in_a_function_does_not_silence_all_of_it(folder):
    text = f"import keras\ndef build():\n    {CALL}\n    return bn  # noqa\n"
    assert found(folder, text) == [("BN201", 3)]


def test_a_comment_in_a_match_does_not_silence_all_of_it(folder):
    text = (
        f"import keras\nmatch x:\n    case 1:\n        {CALL}\n        pass  # noqa\n"
    )
    assert found(folder, text) == [("BN201", 4)]


def test_in_a_notebook_lines_are_those_of_the_cell(folder):
    cells = ["import keras\n", f"x = 1  # noqa\n{CALL}\n", f"x = 2\n{CALL}  # noqa\n"]
    notebook = {
        "cells": [{"cell_type": "code", "source": cell} for cell in cells],
        "nbformat": 4,
    }
    assert found(folder, json.dumps(notebook), "book.ipynb") == [("BN201", 2)]
    (finding,) = lint.check(folder / "book.ipynb", select=["BN2"])
    assert finding.location.cell == 2


def test_an_indented_cell_is_shown_as_it_is(folder, command):
    cells = ["import keras\n", f"    {CALL}\n"]
    notebook = {
        "cells": [{"cell_type": "code", "source": cell} for cell in cells],
        "nbformat": 4,
    }
    (folder / "book.ipynb").write_text(json.dumps(notebook))
    lines = command("book.ipynb").out.split("\n")
    column = len("    ") + CALL.index("momentum") + 1
    assert lines[0].startswith(f"book.ipynb:cell 2:1:{column}: BN201")
    assert lines[1] == f"    1 |     {CALL}"
    assert lines[2].index("^") == 7 + column


@pytest.mark.parametrize(
    ("comment", "is_silenced"),
    [
        ("# ruff: noqa", True),
        ("# flake8: noqa", True),
        ("# flake8: noqa: BN201", True),
        ("# ruff: noqa: F401, BN2", True),
        ("# model-lint: skip-file", True),
        ("#model-lint:skip-file  # generated", True),
        ("# ruff: noqa: F401", False),
        ("# flake8: noqa: BN202", False),
        ("# ruff: noqa:", False),
        ("# model-lint: skip-files", False),
        ("x = 1  # ruff: noqa", False),
        ("x = 1  # model-lint: skip-file", False),
        ("text = '# model-lint: skip-file'", False),
    ],
)
@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_comment_for_the_whole_file(folder, comment, is_silenced, at_the_end):
    lines = ["import keras", "def f():", f"    return {CALL[5:]}", ""]
    lines.insert(3 if at_the_end else 0, comment)
    line = 3 if at_the_end else 4
    expected = [] if is_silenced else [("BN201", line)]
    assert found(folder, "\n".join(lines)) == expected


UNUSED = [
    ("# noqa: BN202", ["BN202"], ""),
    ("# noqa: BN201, BN202", ["BN202"], "# noqa: BN201"),
    ("# noqa: BN202, BN201", ["BN202"], "# noqa: BN201"),
    ("# noqa: BN202 BN206", ["BN202", "BN206"], "# noqa: BN206"),
    ("# noqa: F401, BN202", ["BN202"], "# noqa: F401"),
    ("# why  # noqa: BN202", ["BN202"], "# why"),
    ("# model-lint: ignore[BN202, momentum-too-small]", ["BN202"], None),
    ("# noqa: BN999", ["BN999"], ""),
    ("# noqa", [], None),
    ("# noqa: F401", [], None),
    ("# noqa: BN201", [], None),
    ("# noqa: BN2", [], None),
    ("# noqa: BN101", [], None),  # It was not selected, and may be needed.
]


@pytest.mark.parametrize(("comment", "selectors", "fixed"), UNUSED)
def test_unused_suppressions_are_found_if_asked_for(
    folder, command, comment, selectors, fixed
):
    text = f"import keras\n{CALL}  {comment}\n"
    (folder / "a.py").write_text(text)
    assert [finding.code for finding in lint.check("a.py", select=["BN2"])] in (
        [],
        ["BN201"],
    )
    findings = lint.check("a.py", select=["BN2", "BN004"])
    unused = [finding for finding in findings if finding.code == "BN004"]
    assert [each.message.split()[4] for each in unused] == selectors
    for suppression in unused:
        shown = text.splitlines()[1][
            suppression.column - 1 : suppression.location.end_column - 1
        ]
        assert shown == suppression.message.split()[4]
    if fixed is not None and len(selectors) == 1:
        command("a.py", "--select", "BN004,BN2", "--fix")
        line = f"{CALL}  {fixed}".rstrip()
        fixed_line = (folder / "a.py").read_text().splitlines()[1].rstrip()
        assert fixed_line.replace("0.9", "0.1") == line  # BN201 is fixed, too.


ADDED = [
    (CALL, f"{CALL}  # noqa: BN201"),
    (f"{CALL}  # why", f"{CALL}  # why  # noqa: BN201"),
    (f"{CALL}  # noqa: F401", f"{CALL}  # noqa: F401, BN201"),
    (CALL.replace("(", "(\n    "), CALL.replace("(", "(\n    ") + "  # noqa: BN201"),
    (f"if x: {CALL}", f"if x: {CALL}  # noqa: BN201"),
    (f"x = 1; {CALL}", f"x = 1; {CALL}  # noqa: BN201"),
    (f"{CALL}; {CALL}", f"{CALL}; {CALL}  # noqa: BN201"),
]


@pytest.mark.parametrize(("before", "after"), ADDED)
def test_noqa_is_added(folder, before, after):
    from lint.adding import with_noqa
    from lint.config import Config
    from lint.run import run

    (folder / "a.py").write_text(f"import keras\n{before}\n")
    config = Config()
    (fixed,) = with_noqa(run(["a.py"], config), config)
    assert fixed.after.decode() == f"import keras\n{after}\n"
    fixed.write()
    assert lint.check("a.py") == []


def test_noqa_is_added_to_the_cells_of_notebooks(folder):
    from lint.adding import with_noqa
    from lint.config import Config
    from lint.run import run

    cells = [
        {"cell_type": "code", "source": ["import keras\n"]},
        {"cell_type": "code", "source": ["x = 1\n", CALL]},
    ]
    (folder / "book.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
    config = Config()
    (fixed,) = with_noqa(run(["book.ipynb"], config), config)
    fixed.write()
    written = json.loads((folder / "book.ipynb").read_text())
    assert written["cells"][1]["source"] == ["x = 1\n", f"{CALL}  # noqa: BN201"]
    assert lint.check("book.ipynb") == []
