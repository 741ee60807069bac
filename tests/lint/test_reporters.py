"""What is printed for people and for machines."""

import io
import json

import pytest

import lint
from lint.findings import Finding, Location, Severity
from lint.reporters import output_formats, text, write
from lint.run import Report

from .conftest import BAD_SOURCE, SAVED_MODELS

KEYS = [
    *("code", "name", "severity", "message", "path", "line", "column"),
    *(
        "end_line",
        "end_column",
        "cell",
        "layer",
        "fixable",
        "fix",
    ),
]


def finding(severity=Severity.ERROR, **place):
    return Finding(
        "BN201", "momentum-too-small", severity, "too small", Location(**place)
    )


def written(report, output_format="text"):
    file = io.StringIO()
    write(report, output_format, file)
    return file.getvalue()


def report(*findings, excerpt=None, **fields):
    excerpts = {} if excerpt is None else {findings[0]: excerpt}
    fields.setdefault("checked", ("a.py",))
    return Report(tuple(findings), excerpts=excerpts, **fields)


class TestJson:
    def test_keys_and_nulls_are_those_of_the_contract(self):
        at = {"path": "a.py", "line": 1, "column": 2, "end_line": 1, "end_column": 5}
        source, model = json.loads(
            written(
                report(finding(**at), finding(path="m.keras", layer="x/bn")), "json"
            )
        )
        assert list(source) == list(model) == KEYS
        assert source == {
            **at,
            "code": "BN201",
            "name": "momentum-too-small",
            "severity": "error",
            "message": "too small",
            "cell": None,
            "fix": None,
            "layer": None,
            "fixable": False,
        }
        assert model["layer"] == "x/bn"
        assert model["line"] is None

    def test_no_findings_are_an_empty_array(self):
        assert json.loads(written(report(), "json")) == []


class TestText:
    def test_caret_stands_under_what_is_meant(self):
        place = {
            "path": "a.py",
            "line": 3,
            "column": 8,
            "end_line": 3,
            "end_column": 12,
        }
        lines = written(report(finding(**place), excerpt="x = BN(m=.1)")).split("\n")
        assert lines[0] == "a.py:3:8: BN201 error too small"
        assert lines[1] == "    3 | x = BN(m=.1)"
        assert lines[2] == "      |        ^^^^"

    @pytest.mark.parametrize("source", ["\tBN(m=.1)", "名 = BN(m=.1)"])
    def test_caret_minds_tabs_and_wide_characters(self, source):
        column = source.index("m") + 1
        place = {"line": 1, "column": column, "end_line": 1, "end_column": column + 4}
        lines = written(report(finding(path="a.py", **place), excerpt=source)).split(
            "\n"
        )
        width = {"\t": 4, "名": 2}
        expected = 8 + sum(width.get(letter, 1) for letter in source[: column - 1])
        assert lines[2].index("^") == expected
        assert lines[2].count("^") == 4

    def test_caret_of_several_lines_ends_with_the_first(self):
        place = {"path": "a.py", "line": 1, "column": 5, "end_line": 9, "end_column": 2}
        lines = written(report(finding(**place), excerpt="x = BN(")).split("\n")
        assert lines[2].count("^") == len("BN(")

    def test_places(self):
        assert str(Location("a.py", 3, 4)) == "a.py:3:4"
        assert str(Location("b.ipynb", 3, 4, cell=2)) == "b.ipynb:cell 2:3:4"
        assert str(Location("m.keras", layer="x/bn")) == "m.keras: layer x/bn"
        assert str(Location(layer="bn")) == "model: layer bn"
        assert str(Location("m.keras")) == "m.keras"

    def test_why_is_explained_once_for_each_rule(self):
        output = written(report(finding(path="a.py"), finding(path="b.py")))
        assert output.count("(model-lint rule BN201)") == 1

    def test_layers_of_which_the_same_is_said_share_an_entry(self):
        layers = [finding(path="m.keras", layer=name) for name in ("a", "b", "c")]
        other = [finding(path="n.keras", layer="d"), finding(path="n.keras")]
        lines = written(report(*layers, *other)).split("\n")
        assert lines[0] == "m.keras: layer a: BN201 error too small"
        assert lines[1] == "      + 2 more layers: b, c"
        assert lines[3] == "n.keras: layer d: BN201 error too small"
        assert lines[4] == "n.keras: BN201 error too small"
        assert lines[5].startswith("Found 5 errors")

    def test_lines_of_source_never_share_an_entry(self):
        same = [finding(path="a.py", line=1), finding(path="a.py", line=1)]
        assert written(report(*same)).count("a.py:1:1: BN201") == 2

    def test_brackets_are_no_markup(self):
        place = {"path": "[red]a.py", "line": 1, "column": 1}
        output = written(report(finding(**place), excerpt="x[0] = y[bold]"))
        assert "[red]a.py:1:1" in output
        assert "x[0] = y[bold]" in output

    def test_nothing_piped_is_wrapped_cut_or_coloured(self, monkeypatch):
        monkeypatch.setenv("COLUMNS", "30")
        source = "x" * 200 + " = BN(m=.1)"
        output = written(report(finding(path="p" * 100, line=1), excerpt=source))
        assert output.split("\n")[0] == f"{'p' * 100}:1:1: BN201 error too small"
        assert output.split("\n")[1] == f"    1 | {source}"
        assert "\x1b" not in output

    @pytest.mark.parametrize("width", [30, 60, 100])
    @pytest.mark.parametrize("column", [1, 50, 190])
    def test_on_a_terminal_the_excerpt_fits(self, width, column):
        source = "".join(chr(ord("a") + i % 26) for i in range(200))
        place = Location("a.py", 7, column, 7, column + 5)
        shown, caret = (
            "".join(piece for piece, _ in line)
            for line in text._excerpt(place, source, width)
        )
        assert len(shown) <= width
        start, end = caret.index("^"), caret.rindex("^") + 1
        assert shown[start:end] == source[column - 1 : column + 4]

    def test_colour_is_for_terminals(self, monkeypatch):
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert "\x1b[1;31mBN201 error" in written(report(finding(path="a.py")))
        monkeypatch.delenv("FORCE_COLOR")
        assert "\x1b" not in written(report(finding(path="a.py")))

    def test_what_a_terminal_would_obey_is_taken_out(self):
        evil = finding(path="a\x1b[2J.py", line=1, column=1)
        output = written(report(evil, excerpt="x = '\x1b]0;\x07\r'\t# \x9b"))
        assert not set(output) & set("\x1b\x07\r\x9b\t")

    @pytest.mark.parametrize(
        ("severities", "expected"),
        [
            ("EE", "Found 2 errors in 1 file (BN201)."),
            ("EWWII", "Found 1 error, 2 warnings, 2 info in 1 file (BN201)."),
            ("I", "Found 1 info in 1 file (BN201)."),
            ("", "No findings in 1 file."),
        ],
    )
    def test_summary(self, severities, expected):
        letters = {severity.letter: severity for severity in Severity}
        findings = [finding(letters[letter], path="a.py") for letter in severities]
        assert written(report(*findings)).endswith(f"{expected}\n")

    def test_models_by_reference_are_no_files(self):
        output = written(report(checked=("a.py", "pkg.models:net")))
        assert output == "No findings in 2 targets.\n"

    def test_a_model_without_a_graph_is_never_called_clean(self, command):
        path = SAVED_MODELS / "keras-3.15/subclassed.keras"
        outcome = command(path, "--ignore", "BN002")
        assert "No findings in 1 file." in outcome.out
        assert "1 model could be checked only in part; see BN002." in outcome.out
        assert "not inspectable" in command(path).out


class TestStatistics:
    def test_counts_each_rule(self, command, folder):
        (folder / "a.py").write_text(BAD_SOURCE * 3)
        outcome = command("a.py", "--statistics")
        assert outcome.status == 1
        lines = outcome.out.split("\n")
        assert lines[0].split() == ["3", "BN201", "momentum-too-small"]
        assert lines[1] == "Found 3 errors in 1 file (BN201)."


def test_formats_are_the_modules_of_the_folder():
    assert {"json", "text"} <= set(output_formats())


def test_findings_are_sorted(folder):
    (folder / "b.py").write_text(BAD_SOURCE)
    (folder / "a.py").write_text(BAD_SOURCE + BAD_SOURCE)
    places = [(layer.path, layer.line) for layer in lint.check(".")]
    assert places == [("a.py", 3), ("a.py", 6), ("b.py", 3)]
