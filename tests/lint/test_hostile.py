"""Odd and hostile input, by way of the command: no crash, no hang, nothing run."""

from __future__ import annotations

import io
import json
import random
import sys
import time
import zipfile
from pathlib import Path

import pytest

import lint
from lint.linter import Linter
from lint.rules.bn201_momentum_too_small import MomentumTooSmall

from .conftest import BAD_SOURCE, GOOD_SOURCE, SAVED_MODELS

SOURCES = sorted((Path(__file__).parents[1] / "fixtures" / "source").glob("*.py"))
MODELS = [
    SAVED_MODELS / "keras-3.15" / "nested.keras",
    SAVED_MODELS / "keras-3.4" / "sequential.keras",
    SAVED_MODELS / "keras-3.15" / "subclassed.keras",
]
OUR_FAULT = "The linter itself failed"


def nested(header: bytes) -> bytes:
    """Blocks in blocks, almost as deep as Python takes them."""
    lines = [b" " * depth + header for depth in range(90)]
    return b"\n".join([*lines, b" " * 90 + b"x = 1\n"])


def assert_clear(findings):
    """No finding may be our own mistake in disguise."""
    assert not [finding.message for finding in findings if OUR_FAULT in finding.message]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("nul.py", b"x = 1\0"),
        ("nul.ipynb", b'{"cells": []}\0'),
        ("utf16.py", "x = 1".encode("utf-16")),
        ("utf16.ipynb", '{"cells": []}'.encode("utf-16")),
        ("encoding.py", b"# -*- coding: klingon -*-\n"),
        ("punycode.py", b"# coding: idna\nx = '\xff'\n"),
        ("rot13.py", b"# coding: rot13\nvzcbeg xrenf\n"),
        ("hex.py", b"# coding: hex\n00\n"),
        ("deep.py", b"(" * 100_000),
        ("unary.py", b"x = " + b"-" * 90_000 + b"1"),
        ("chain.py", b"import keras\nx = keras" + b".x" * 60_000),
        ("calls.py", b"import keras\nx = f" + b"(1)" * 60_000),
        ("sum.py", b"import keras\nx = " + b"+".join([b"x"] * 50_000)),
        ("blocks.py", nested(b"if x:")),
        ("classes.py", nested(b"class A(A):")),
        ("comments.py", b"#" * 3_000_000),
        ("string.py", b"x = '''" + b"a\n" * 1_000_000 + b"'''"),
        ("digits.py", b"x = " + b"9" * 100_000),
        ("list.py", b"x = [" + b"1," * 200_000 + b"]"),
        ("deep.ipynb", b"[" * 100_000),
        ("deep_cell.ipynb", b'{"cells": [' * 50_000),
        ("list.ipynb", b"[1, 2]"),
        ("cells.ipynb", b'{"cells": {"a": 1}}'),
        ("cell.ipynb", b'{"cells": [1, null, {"cell_type": "code", "source": {}}]}'),
        ("half.ipynb", rb'{"cells": [{"cell_type": "code", "source": "\ud800"}]}'),
        ("numbers.ipynb", b'{"cells": [], "x": ' + b"9" * 10_000 + b"}"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_odd_content_is_read_or_refused(folder, command, name, content):
    (folder / name).write_bytes(content)
    (folder / "good.py").write_text(GOOD_SOURCE)
    start = time.monotonic()
    outcome = command(name, "good.py", "--fix", "--unsafe-fixes")
    assert time.monotonic() - start < 60
    assert outcome.status in (0, 1)
    assert "Traceback" not in outcome.err
    assert OUR_FAULT not in outcome.out
    assert (folder / name).read_bytes() == content


@pytest.mark.parametrize("name", ["large.py", "large.ipynb", "large.keras", "large.h5"])
def test_a_file_of_50_megabytes(folder, command, name):
    (folder / name).write_bytes(b"x = 1\n" * 9_000_000)
    start = time.monotonic()
    outcome = command(name)
    assert time.monotonic() - start < 20
    assert outcome.status == 2
    assert "BN001" in outcome.err


def test_a_notebook_of_50_megabytes_of_pictures(folder, command):
    picture = {"cell_type": "code", "source": "", "outputs": ["A" * 50_000_000]}
    code = {"cell_type": "code", "source": BAD_SOURCE}
    (folder / "a.ipynb").write_text(json.dumps({"cells": [picture, code]}))
    start = time.monotonic()
    outcome = command("a.ipynb", "--fix")
    assert time.monotonic() - start < 30
    assert outcome.err == "Fixed 1 finding in 1 file.\n"


def test_imports_in_a_circle(folder):
    for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
        (folder / f"{name}.py").write_text(
            f"from {other} import *\nfrom {other} import M as M\nimport keras\n"
            f"import {other}\nM = {other}.M\n"
            f"bn = keras.layers.BatchNormalization(momentum={other}.M)\n"
            f"class Net({other}.Net):\n"
            "    def call(self, x):\n        return self.bn(x)\n"
        )
    assert_clear(lint.check("."))


def test_a_circle_of_folders(folder):
    (folder / "a").mkdir()
    (folder / "a/b").symlink_to("..", target_is_directory=True)
    (folder / "a/c.py").symlink_to("../a/b/a/d.py")
    (folder / "a/d.py").write_text(BAD_SOURCE)
    assert [finding.path for finding in lint.check(".")] == ["a/c.py"]
    assert [finding.path for finding in lint.check("a/b/a/b/a")] == ["a/b/a/b/a/c.py"]


def test_under_a_low_limit_of_recursion(folder, subprocess_python):
    (folder / "a.py").write_text(
        "import keras\nx = " + "f(" * 80 + ")" * 80 + "\n" + BAD_SOURCE
    )
    code = (
        "import sys, lint, lint.cli\n"
        "from lint.rules import all_rules\nall_rules()\n"
        "import lint.subjects.source\n"
        "sys.setrecursionlimit(150)\n"
        "print([each.code for each in lint.check('a.py')])"
    )
    outcome = subprocess_python(code, cwd=folder)
    assert outcome.status == 0, outcome.err
    assert outcome.out.strip() in ("['BN001']", "['BN201']")


def test_a_mistake_of_ours_does_not_end_the_run(folder, command, monkeypatch):
    def fail(self, module):
        raise LookupError(module.path.name)

    monkeypatch.setattr(MomentumTooSmall, "check_source", fail)
    (folder / "a.py").write_text(BAD_SOURCE)
    (folder / "b.py").write_text("x = (")
    outcome = command(".", "--output-format", "json")
    assert [entry["code"] for entry in json.loads(outcome.out)] == ["BN001", "BN001"]
    assert "The linter itself failed: LookupError: a.py." in outcome.out
    assert "report" in outcome.out


def test_mutated_sources(folder):
    """Characters taken out, put in and doubled, and the fixes of what is left."""
    numbers = random.Random(1)
    linter = Linter(lint.config.Config())
    path = folder / "a.py"
    texts = [source.read_text() for source in SOURCES]
    alphabet = "()[]{}:,.=*\"'#\\\n\t @\0é\u2028" + "".join(map(chr, range(97, 123)))
    for _ in range(250):
        text = list(numbers.choice(texts)[: numbers.randint(200, 6000)])
        for _ in range(numbers.randint(1, 6)):
            place = numbers.randrange(len(text))
            change = numbers.randrange(3)
            if change == 0:
                del text[place]
            elif change == 1:
                text.insert(place, numbers.choice(alphabet))
            else:
                text[place:place] = text[place : place + numbers.randint(1, 40)]
        path.write_text("".join(text))
        result = linter.check_file(path)
        assert_clear(result.findings)
        for finding in result.findings:
            line, column = finding.location.line, finding.location.column
            assert line is None or 1 <= line <= len(text) + 1
            assert column is None or column >= 1


def mutated_json(numbers, value):
    """The value with one thing in it replaced, taken out or doubled."""
    holders = []
    pending = [value]
    while pending:
        holder = pending.pop()
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        holders += [(holder, key) for key, _ in items]
        pending += [item for _, item in items if isinstance(item, dict | list) and item]
    holder, key = numbers.choice(holders)
    odd = [
        None,
        -1,
        2**70,
        1e400,
        "",
        "x" * 99,
        [],
        {},
        [[]],
        True,
        "\ud800",
        "a/b",
        "..",
    ]
    change = numbers.randrange(4)
    if change == 0:
        del holder[key]
    elif change == 1 and isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(holder[key])))
    elif change == 2 and isinstance(holder, dict):
        holder[numbers.choice(list(holder))] = holder[key]
    else:
        holder[key] = numbers.choice(odd)


def test_mutated_models(folder):
    """Configurations that are valid JSON and make no sense."""
    numbers = random.Random(2)
    linter = Linter(lint.config.Config())
    contents = [members(path) for path in MODELS]
    path = folder / "m.keras"
    for _ in range(300):
        content = dict(numbers.choice(contents))
        name = numbers.choice(["config.json"] * 9 + ["metadata.json"])
        value = json.loads(content[name])
        for _ in range(numbers.randint(1, 4)):
            if value:
                mutated_json(numbers, value)
        content[name] = json.dumps(value).encode()
        with zipfile.ZipFile(path, "w") as container:
            for member, data in content.items():
                container.writestr(member, data)
        assert_clear(linter.check_file(path).findings)


def test_flipped_bytes_of_models(folder):
    numbers = random.Random(3)
    linter = Linter(lint.config.Config())
    contents = [path.read_bytes() for path in MODELS]
    path = folder / "m.keras"
    for _ in range(300):
        content = bytearray(numbers.choice(contents))
        for _ in range(numbers.randint(1, 5)):
            content[numbers.randrange(len(content))] = numbers.randrange(256)
        path.write_bytes(content[: numbers.choice([None, None, len(content) // 2])])
        assert_clear(linter.check_file(path).findings)


def members(path):
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as container:
        return {name: container.read(name) for name in container.namelist()}


def test_nothing_is_imported(folder, subprocess_python):
    """What is linted and fixed is not run, nor is what it imports."""
    (folder / "a.py").write_text("import evil\n" + BAD_SOURCE + "open('ran', 'w')\n")
    (folder / "evil.py").write_text("open('ran', 'w')\n")
    code = "from lint.cli import main; main(['.', '--fix'])"
    outcome = subprocess_python(code, cwd=folder)
    assert outcome.status == 0, (outcome.err, sys.path)
    assert not (folder / "ran").exists()
