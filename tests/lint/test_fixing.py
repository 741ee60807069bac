"""`--fix` and `--diff`: what is fixed, what is left alone, and how it is written."""

from __future__ import annotations

import ast
import codecs
import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

import lint
from lint.findings import Edit, Fix, Location, Severity
from lint.rules import all_rules, rule_by_code
from lint.rules.bn201_momentum_too_small import MomentumTooSmall
from lint.subjects.source import Project, module_from_bytes

from .conftest import BAD_SOURCE, GOOD_SOURCE

MIXED = "x = '\u2028'\r\ny = 1\n"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "source"


def is_fixable(rule):
    """Whether the rule has a fix for its own bad example, and a proof."""
    path = Path("example.py")
    if rule.code == "BN001" or rule.proof is None:
        return False
    module = module_from_bytes(rule.bad.encode(), path, Project(path.parent / "none"))
    return any(finding.fixable for finding in rule.check_source(module))


FIXABLE = [rule.code for rule in all_rules() if is_fixable(rule)]
BAD_FLAG = """\
import keras

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(x, training=True)
"""


@pytest.fixture
def fixed(folder, command):
    """The content of a file after `--fix`."""

    def fix(content: bytes | str, *options: str, name: str = "a.py") -> bytes:
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
        command(name, "--fix", *options)
        return (folder / name).read_bytes()

    return fix


INFOS = {"BN101", "BN113"}


def serious(findings):
    infos = Severity.INFO
    return [finding.code for finding in findings if finding.severity is not infos]


class TestWhatIsFixed:
    @pytest.mark.parametrize(
        "path", sorted(FIXTURES.glob("*.py")), ids=lambda path: path.stem
    )
    def test_fixtures_keep_only_what_cannot_be_fixed(self, folder, command, path):
        text = path.read_text()
        named = re.match(r"# keras ([\d.]+)", text)
        version = ["--keras-version", named[1]] if named else []
        (folder / "a.py").write_text(text)
        options = {"keras_version": named[1]} if named else {}
        before = lint.check("a.py", **options)
        command("a.py", "--fix", "--unsafe-fixes", *version)
        after = lint.check("a.py", **options)
        assert [finding for finding in after if finding.fixable] == []
        # An info may say what a fix leaves: a parameter that is not passed on yet.
        stay = [finding for finding in before if not finding.fixable]
        assert serious(after) == serious(stay)
        assert {finding.code for finding in after} - {
            finding.code for finding in stay
        } <= INFOS
        new = (folder / "a.py").read_text()
        ast.parse(new)
        assert comments(new) == comments(text)
        if not any(operation.fixable for operation in before):
            assert new == text

    @pytest.mark.parametrize(
        "code",
        [
            pytest.param(
                code, marks=[pytest.mark.long] if rule_by_code(code).backend else []
            )
            for code in FIXABLE
        ],
    )
    def test_the_bad_example_is_healthy_once_it_is_fixed(
        self, folder, command, code, subprocess_python
    ):
        rule = rule_by_code(code)
        (folder / "a.py").write_text(rule.bad)
        command("a.py", "--fix", "--unsafe-fixes", "--select", code)
        assert lint.check("a.py", select=[code]) == []
        text = (folder / "a.py").read_text()
        if rule.backend is not None:
            pytest.importorskip(rule.backend)
            done = subprocess_python(f"{text}\n{rule.proof}\nprint('healthy', healthy)")
            assert "healthy True" in done.out, done.err
            return
        namespace = {"__name__": "example"}
        exec(compile(text, "a.py", "exec"), namespace)
        exec(rule.proof, namespace)
        assert namespace["healthy"] is True

    def test_only_safe_fixes_unless_told_otherwise(self, fixed):
        text = BAD_FLAG + "bn = keras.layers.BatchNormalization(momentum=0.1)\n"
        safe = text.replace("0.1", "0.9")
        assert fixed(text).decode() == safe
        assert fixed(text, "--unsafe-fixes").decode() == safe.replace(
            "x, training=True", "x"
        )

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("M = 0.1\nb = BN(momentum=M)", "M = 0.9\nb = BN(momentum=M)"),
            (
                "M = 0.1\nb = BN(momentum=M)\nc = BN(momentum=M)",
                "M = 0.9\nb = BN(momentum=M)\nc = BN(momentum=M)",
            ),
            (
                "def f(m=0.1):\n    return BN(momentum=m)",
                "def f(m=0.9):\n    return BN(momentum=m)",
            ),
            (
                "def f(m):\n    return BN(momentum=m)\nf(m=0.1)",
                "def f(m):\n    return BN(momentum=m)\nf(m=0.9)",
            ),
            ("b = BN(momentum=.1)", "b = BN(momentum=0.9)"),
            ("b = BN(**dict(momentum=1e-2))", "b = BN(**dict(momentum=0.99))"),
            ("M = 0.1\nb = BN(momentum=M)\nopt = SGD(momentum=M)", None),
            ("def f(m=0.1):\n    SGD(momentum=m)\n    return BN(momentum=m)", None),
            ("M = 0.1\nM = M or 0.2\nb = BN(momentum=M)", None),
            ("M = 0.1\nprint(M)\nb = BN(momentum=M)", None),
            ("b = BN(momentum=1 - 0.9)", None),
            ("b = BN(momentum=0.7)", None),
            ("b = BN(momentum=0.1)\nb.momentum = 0.9", None),
        ],
    )
    def test_a_number_is_changed_where_it_stands_for_bn_alone(
        self, fixed, before, after
    ):
        imports = (
            "from keras.layers import BatchNormalization as BN\n"
            "from keras.optimizers import SGD\n"
        )
        assert fixed(imports + before).decode() == imports + (after or before)

    def test_a_constant_that_another_file_imports_stays(self, folder, fixed):
        text = "import keras\nM = 0.1\nb = keras.layers.BatchNormalization(momentum=M)"
        (folder / "pyproject.toml").write_text("")
        (folder / "b.py").write_text("from a import M\n")
        assert fixed(text).decode() == text
        (folder / "b.py").unlink()
        assert fixed(text).decode() == text.replace("0.1", "0.9")

    @pytest.mark.parametrize(
        ("parameters", "body"),
        [
            ("self, x, is_training=False", "self.bn(x)"),
            ("self, x, **kw", "self.bn(x, **kw) if kw.get('training') else self.bn(x)"),
            ("self, x", "self.bn(x) if training else self.bn(x)"),
        ],
    )
    def test_a_call_with_a_flag_of_its_own_is_not_fixed(self, fixed, parameters, body):
        text = (
            "import keras\ntraining = False\n\nclass Net(keras.Model):\n"
            "    def __init__(self):\n        super().__init__()\n"
            "        self.bn = keras.layers.BatchNormalization()\n\n"
            f"    def call({parameters}):\n        return {body}\n"
        )
        assert fixed(text).decode() == text

    def test_a_shared_function_is_fixed_unsafely(self, fixed):
        text = (
            "import keras, tensorflow as tf\n"
            "net = keras.Sequential([keras.layers.BatchNormalization()])\n"
            "opt = keras.optimizers.SGD()\n"
            "def loss(x):\n    return net(x)\n"
            "def step(x):\n    with tf.GradientTape() as tape:\n        y = loss(x)\n"
            "    g = tape.gradient(y, net.trainable_variables)\n"
            "    opt.apply_gradients(zip(g, net.trainable_variables))\n"
        )
        assert fixed(text).decode() == text
        after = fixed(text, "--unsafe-fixes").decode()
        assert after == text.replace("return net(x)", "return net(x, training=True)")


def comments(text: str) -> list[str]:
    return re.findall(r"#.*", text)


class TestWhatIsLeftAlone:
    def test_what_is_silenced(self, folder, fixed):
        text = BAD_SOURCE.replace("0.1)", "0.1)  # noqa: BN201")
        assert fixed(text).decode() == text
        assert fixed(BAD_SOURCE, "--ignore", "BN201").decode() == BAD_SOURCE
        assert fixed(BAD_SOURCE, "--select", "BN1").decode() == BAD_SOURCE
        (folder / "pyproject.toml").write_text(
            "[tool.model-lint]\nper-file-ignores = { 'a.py' = ['BN2'] }\n"
        )
        assert fixed(BAD_SOURCE).decode() == BAD_SOURCE

    def test_what_is_known(self, folder, command, fixed):
        (folder / "a.py").write_text(BAD_SOURCE)
        command("a.py", "--write-baseline", "known.json")
        new = BAD_SOURCE + "\nnew = keras.layers.BatchNormalization(momentum=0.01)\n"
        after = fixed(new, "--baseline", "known.json").decode()
        assert after == new.replace("0.01", "0.99")

    @pytest.mark.parametrize(
        "content", [b"x = (", b"print 1", b"\xff\xfe", b"x = 1\0", b"# coding: nope\n"]
    )
    def test_what_cannot_be_read(self, fixed, content):
        assert fixed(content) == content


class TestBytes:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (BAD_SOURCE.replace("\n", "\r\n"), GOOD_SOURCE.replace("\n", "\r\n")),
            (BAD_SOURCE.rstrip("\n"), GOOD_SOURCE.rstrip("\n")),
            (BAD_SOURCE + "\x0c\n\n\n", GOOD_SOURCE + "\x0c\n\n\n"),
            (BAD_SOURCE + MIXED, GOOD_SOURCE + MIXED),
        ],
    )
    def test_line_ends_stay(self, fixed, before, after):
        assert fixed(before.encode()) == after.encode()

    def test_a_byte_order_mark_stays(self, fixed):
        bom = codecs.BOM_UTF8
        assert fixed(bom + BAD_SOURCE.encode()) == bom + GOOD_SOURCE.encode()

    def test_the_encoding_stays(self, fixed):
        head = "# coding: latin-1\nname = 'é'\n"
        before, after = (
            (head + text).encode("latin-1") for text in (BAD_SOURCE, GOOD_SOURCE)
        )
        assert fixed(before) == after

    def test_what_is_added_has_the_line_end_of_the_file(self, fixed):
        text = (
            "import keras\nclass Net(keras.Model):\n    def __init__(self):\n"
            "        super().__init__()\n"
            "        self.bn = keras.layers.BatchNormalization()\n"
            "    def call(\n        self,\n        x,\n    ):\n"
            "        return self.bn(x)\n"
        ).replace("\n", "\r\n")
        after = text.replace("x,\r\n", "x,\r\n        training=None,\r\n")
        assert fixed(text.encode()) == after.encode()


def notebook(*cells: object, **options: object) -> str:
    content = {
        "cells": [
            {"cell_type": "markdown", "source": ["BatchNormalization(momentum=0.1)"]},
            *(
                {"source": cell, "outputs": [1e10], "cell_type": "code"}
                for cell in cells
            ),
        ],
        "nbformat": 4,
        "a": "é",
    }
    return json.dumps(content, **options)


class TestNotebooks:
    SOURCE = ("%matplotlib inline\n", "from keras import layers\n", "# é \U0001f600\n")
    BAD = "b = layers.BatchNormalization(momentum=0.1)"

    @pytest.mark.parametrize("indent", [None, 1, 4, "\t"])
    @pytest.mark.parametrize("ensure_ascii", [True, False])
    @pytest.mark.parametrize("as_list", [True, False])
    def test_only_the_source_of_the_cell_changes(
        self, fixed, indent, ensure_ascii, as_list
    ):
        lines = [*self.SOURCE, self.BAD]
        cells = (lines, [self.BAD]) if as_list else ("".join(lines), self.BAD)
        text = notebook(*cells, indent=indent, ensure_ascii=ensure_ascii) + "\n"
        after = fixed(text, name="a.ipynb").decode()
        start = text.index("layers.Batch")
        assert after == text[:start] + text[start:].replace("0.1", "0.9")

    def test_odd_escapes_stay(self, fixed):
        text = notebook([*self.SOURCE, "x = 1 < 2\n", self.BAD + " # </b>"])
        odd = text.replace("<", r"\u003c").replace("/b", r"\/b")
        assert fixed(odd, name="a.ipynb").decode() == odd.replace(
            "momentum=0.1) #", "momentum=0.9) #"
        )

    def test_lines_that_are_added_are_lines(self, fixed):
        source = (
            "import keras\nclass Net(keras.Model):\n  def __init__(self):\n"
            "    super().__init__()\n    self.bn = keras.layers.BatchNormalization()\n"
            "  def call(\n    self,\n    x,\n  ):\n    return self.bn(x)\n"
        )
        new = source.replace("x,\n", "x,\n    training=None,\n")
        for split in (str.splitlines, lambda text, _: text):
            before = notebook(split(source, True), indent=1)
            assert fixed(before, name="a.ipynb").decode() == notebook(
                split(new, True), indent=1
            )

    def test_a_cell_that_is_not_read_stays(self, fixed):
        text = notebook([*self.SOURCE], ["print 'a'; ", self.BAD], [self.BAD])
        start = text.rindex(self.BAD)
        after = text[:start] + text[start:].replace("0.1", "0.9")
        assert fixed(text, name="a.ipynb").decode() == after

    def test_an_indented_cell(self, fixed):
        text = notebook(["  from keras import layers\n", "  " + self.BAD])
        after = fixed(text, name="a.ipynb").decode()
        assert after == text.replace(self.BAD, self.BAD.replace("0.1", "0.9"))

    def test_a_byte_order_mark_stays(self, fixed):
        text = notebook([*self.SOURCE, self.BAD])
        after = fixed(codecs.BOM_UTF8 + text.encode(), name="a.ipynb")
        assert after.startswith(codecs.BOM_UTF8)
        assert b"momentum=0.9" in after


class TestRounds:
    """What happens to fixes that do not go together, or do not hold."""

    def test_a_fix_that_breaks_the_source_is_abandoned(self, fixed, monkeypatch):
        give_fix(monkeypatch, lambda place: Edit(place, "momentum=("))
        text = BAD_SOURCE + BAD_FLAG.removeprefix("import keras\n")
        after = fixed(text, "--unsafe-fixes").decode()
        assert after == text.replace("x, training=True", "x")

    def test_a_fix_after_which_the_finding_stays_is_abandoned(self, fixed, monkeypatch):
        give_fix(monkeypatch, lambda place: Edit(place, "momentum=0.05"))
        assert fixed(BAD_SOURCE).decode() == BAD_SOURCE

    def test_a_fix_that_brings_another_finding_is_abandoned(self, fixed, monkeypatch):
        give_fix(monkeypatch, lambda place: Edit(place, "momentum=1.5"))
        assert fixed(BAD_SOURCE).decode() == BAD_SOURCE

    def test_fixes_that_overlap_are_applied_one_after_the_other(
        self, fixed, monkeypatch
    ):
        def whole_line(place: Location) -> Edit:
            line = Location(place.path, place.line, 1, place.line, 200)
            return Edit(line, "b = c = keras.layers.BatchNormalization()")

        give_fix(monkeypatch, whole_line)
        line = (
            "b, c = (keras.layers.BatchNormalization(momentum=m) for m in (0.1, 0.01))"
        )
        after = fixed(f"import keras\n{line}").decode()
        assert after == "import keras\nb = c = keras.layers.BatchNormalization()"

    def test_it_ends(self, fixed, monkeypatch):
        checked = MomentumTooSmall.check_source

        def worse(self, module):
            for finding in checked(self, module):
                yield self.finding(
                    "",
                    finding.location,
                    fix=Fix((Edit(finding.location, "momentum=0.10"),)),
                )

        monkeypatch.setattr(MomentumTooSmall, "check_source", worse)
        assert fixed(BAD_SOURCE).decode() == BAD_SOURCE


def give_fix(monkeypatch, make):
    """Let BN201 fix otherwise."""
    checked = MomentumTooSmall.check_source

    def check(self, module):
        for finding in checked(self, module):
            fix = Fix((make(finding.location),))
            yield self.finding(finding.message, finding.location, finding.severity, fix)

    monkeypatch.setattr(MomentumTooSmall, "check_source", check)


class TestWriting:
    def test_permissions_stay(self, folder, fixed):
        (folder / "a.py").touch(mode=0o754)
        fixed(BAD_SOURCE)
        assert stat.S_IMODE((folder / "a.py").stat().st_mode) == 0o754
        assert [path.name for path in folder.iterdir()] == ["a.py"]

    def test_a_link_stays_one(self, folder, fixed):
        (folder / "there").mkdir()
        (folder / "there/real.py").write_text("")
        (folder / "a.py").symlink_to("there/real.py")
        assert fixed(BAD_SOURCE).decode() == GOOD_SOURCE
        assert (folder / "a.py").is_symlink()
        assert (folder / "there/real.py").read_text() == GOOD_SOURCE

    def test_what_cannot_be_written_is_one_message(self, folder, command, monkeypatch):
        (folder / "a.py").write_text(BAD_SOURCE)
        monkeypatch.setattr(os, "access", lambda *_: False)
        outcome = command("a.py", "--fix")
        assert outcome.status == 2
        assert outcome.err == (
            "Error: The fixed file cannot be written: it is write-protected. "
            "Received: a.py.\n"
        )
        assert (folder / "a.py").read_text() == BAD_SOURCE

    def test_files_that_need_nothing_are_not_touched(self, folder, command):
        (folder / "a.py").write_text(GOOD_SOURCE)
        before = (folder / "a.py").stat()
        command("a.py", "--fix")
        after = (folder / "a.py").stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


class TestCommand:
    def test_fix_reports_what_is_left(self, folder, command):
        low = "low = keras.layers.BatchNormalization(momentum=0.7)\n"
        (folder / "a.py").write_text(BAD_SOURCE + low)
        outcome = command("a.py", "--fix")
        assert outcome.status == 1
        assert outcome.err == "Fixed 1 finding in 1 file.\n"
        assert "Found 1 warning in 1 file (BN201)." in outcome.out
        (folder / "a.py").write_text(BAD_SOURCE)
        assert command("a.py", "--fix") == (
            0,
            "No findings in 1 file.\n",
            "Fixed 1 finding in 1 file.\n",
        )
        assert command("a.py", "--fix") == (0, "No findings in 1 file.\n", "")

    def test_fix_and_json_print_json_alone(self, folder, command):
        (folder / "a.py").write_text(BAD_SOURCE)
        assert json.loads(command("a.py", "--fix", "--output-format", "json").out) == []

    def test_diff_changes_nothing_and_can_be_applied(self, folder, command):
        (folder / "a.py").write_text(BAD_SOURCE)
        (folder / "b.py").write_text(GOOD_SOURCE)
        (folder / "c.py").write_text(BAD_SOURCE.rstrip("\n"))
        (folder / "d.py").write_text(BAD_SOURCE.replace("\n", "\r\n"))
        for options in (["--diff"], ["--diff", "--fix"]):
            outcome = command(".", *options)
            assert outcome.status == 1
            assert outcome.err == "Would fix 3 findings in 3 files.\n"
            assert (folder / "a.py").read_text() == BAD_SOURCE
        assert outcome.out.startswith(
            "--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n import keras\n \n"
            "-bn = keras.layers.BatchNormalization(momentum=0.1)\n"
            "+bn = keras.layers.BatchNormalization(momentum=0.9)\n--- c.py"
        )
        subprocess.run(["git", "init", "-q"], check=True)
        subprocess.run(
            ["git", "apply", "-p0", "-"], input=outcome.out.encode(), check=True
        )
        assert (folder / "a.py").read_text() == GOOD_SOURCE
        assert (folder / "c.py").read_text() == GOOD_SOURCE.rstrip("\n")
        assert (folder / "d.py").read_bytes().decode() == GOOD_SOURCE.replace(
            "\n", "\r\n"
        )

    def test_diff_of_a_notebook_names_the_cell(self, folder, command):
        text = notebook("x = 1", ["import keras\n", BAD_SOURCE.split("\n")[2]])
        (folder / "a.ipynb").write_text(text)
        lines = command("a.ipynb", "--diff").out.split("\n")
        assert lines[0] == "--- a.ipynb:cell 2"
        assert "+bn = keras.layers.BatchNormalization(momentum=0.9)" in lines
        assert (folder / "a.ipynb").read_text() == text

    @pytest.mark.parametrize(
        ("text", "options", "status"),
        [
            (GOOD_SOURCE, ["--diff"], 0),
            (BAD_SOURCE, ["--diff"], 1),
            (BAD_SOURCE, ["--diff", "--exit-zero"], 0),
            (BAD_FLAG, ["--diff"], 0),
            (BAD_FLAG, ["--diff", "--unsafe-fixes"], 1),
            (BAD_SOURCE, ["--fix"], 0),
            (BAD_FLAG, ["--fix"], 1),
            (BAD_FLAG, ["--fix", "--exit-zero"], 0),
            (BAD_SOURCE, ["--unsafe-fixes"], 1),
            ("x = (", ["--diff"], 2),
            ("x = (", ["--fix"], 2),
            (BAD_SOURCE, ["--diff", "--statistics"], 2),
            (BAD_SOURCE, ["--diff", "--output-format", "json"], 2),
        ],
    )
    def test_exit_status(self, folder, command, text, options, status):
        (folder / "a.py").write_text(text)
        assert command("a.py", *options).status == status

    def test_the_summary_tells_what_can_be_fixed(self, folder, command):
        (folder / "a.py").write_text(BAD_SOURCE + BAD_FLAG)
        out = command("a.py").out
        assert "Can be fixed: 1 with --fix, 1 with --fix --unsafe-fixes.\n" in out

    def test_fixable_in_json_is_whether_there_is_a_fix(self, folder):
        (folder / "a.py").write_text(BAD_SOURCE + BAD_SOURCE.replace("0.1", "0.7"))
        fixable = [finding.to_json()["fixable"] for finding in lint.check("a.py")]
        assert fixable == [True, False]


def test_rules_with_fixes():
    fixable = {"BN101", "BN102", "BN103", "BN104", "BN113", "BN201"}
    assert fixable <= set(FIXABLE)
