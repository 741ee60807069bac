"""Files that are no Python, odd files, and hostile ones: a clear answer, no crash."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from lint.rules import all_rules
from lint.subjects.source import (
    Module,
    Project,
    UnreadableSource,
    module_from_bytes,
    read_module,
)
from lint.subjects.source.resolving import symbolic

FIXTURES = Path(__file__).parents[2] / "fixtures" / "source"


def read(data: bytes, folder: Path, name: str = "file.py") -> Module:
    return module_from_bytes(data, folder / name, Project(folder))


def findings(module: Module) -> list[str]:
    return [
        finding.code for rule in all_rules() for finding in rule.check_source(module)
    ]


@pytest.mark.parametrize(
    ("data", "words", "line"),
    [
        (b"def f(:\n", "not valid Python", 1),
        (b"x = 1\nprint 'hello'\n", "Python 2", 2),
        (b"try:\n    pass\nexcept A, b:\n    pass\n", "Python 2", 3),
        (b"x = 0777\n", "Python 2", 1),
        (b"x = 1\0\n", "NUL", None),
        (b"x = '\xff'\n", "decoded", None),
        (b"# coding: nonsense\n", "decoded", None),
        # In Python, this would take hours.
        (b"# coding: Punycode\n#" + b"x" * 10**6 + b"-" + b"a" * 10**6, "host", None),
        (b"# coding: idna\nx = 1\n", "host", None),
        (b"(" * 5000 + b")" * 5000, "nested|not valid", None),
        (b"x = " + b"-" * 100_000 + b"1\n", "nested|not valid", None),
        (b"x = 1\n" * 1_000_000, "too large", None),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_unreadable(data: bytes, words: str, line: int | None, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match=words) as raised:
        read(data, tmp_path)
    if line is not None:
        assert raised.value.line == line


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbfx = 1\n",
        "# coding: latin-1\nx = '\xe9'\n".encode("latin-1"),
        b"x = 1\r\ny = 2\r\n",
        b"x = 1\ry = 2\r",
        b"x = '\\d'\n",  # a warning of the compiler is not an error here
        b"x = " + b"+".join([b"1"] * 300) + b"\n",
        b"await something\n",
    ],
    ids=repr,
)
def test_readable(data: bytes, tmp_path: Path) -> None:
    assert findings(read(data[:20_000], tmp_path)) == []


def test_nothing_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f"import keras\nfrom helper import BN\nopen({str(mark)!r}, 'w')\nBN(0.1)\n"
    (tmp_path / "helper.py").write_text(text)
    path = tmp_path / "file.py"
    path.write_text(text)
    findings(read_module(path, Project(tmp_path)))
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    [
        "x = x\nL.BatchNormalization(momentum=x)",
        "def f(x=f()):\n    return f(f)\nf()(x, training=True)",
        "class A(A):\n    def call(self, x):\n        return self.call(x)",
        "class A(B): pass\nclass B(A): pass\nB().call(1)(momentum=0.1)",
        "class M(keras.Model):\n    def call(self, x):\n"
        "        self.a = self.b\n        self.b = self.a\n        return self.a(x)",
        "a = lambda: a()\nb = a(momentum=b)",
        "from . import *\nfrom file import *\nimport file\nfile.file.x(momentum=y)",
        "x: keras.layers.BatchNormalization(momentum=0.5)",
        "[x for x in x for x in x](x, training=True)",
        "(*a, b), c = c, *a = b\nc(a, training=False)",
        "for _ in x:\n    x = [*x]\n    m, n = x\n    L.BatchNormalization(momentum=m)",
        "def f(*args, **kwargs):\n    BN(*args, **kwargs)\nf(*f, **f)",
        "with tf.GradientTape() as t: t.gradient(t, t)",
        "del x\nglobal y\nx[0].y = z = w\n",
        "match x:\n    case A(b=c) if c: BN(momentum=c)",
    ],
)
def test_circles_come_to_an_end(text: str, tmp_path: Path) -> None:
    prefix = "import keras\nfrom keras import layers as L\nimport tensorflow as tf\n"
    path = tmp_path / "file.py"
    path.write_text(prefix + text)
    findings(read_module(path, Project(tmp_path)))


def test_long_chains_are_quick(tmp_path: Path) -> None:
    lines = ["from keras import layers", "import keras", "x0 = keras.Input((4,))"]
    lines += [
        f"x{n + 1} = layers.Add()([x{n}, x{n}, layers.BatchNormalization()(x{n})])"
        for n in range(1500)
    ]
    lines += ["model = keras.Model(x0, x1500)", "y = model(x0, training=True)"]
    lines += [
        f"v{n} = v{n - 1} or v{n - 2} or [v{n - 1}, v{n - 2}]" for n in range(400)
    ]
    lines += ["layers.BatchNormalization(momentum=v399)"]
    findings(read("\n".join(lines).encode(), tmp_path))


def test_mutated_sources(tmp_path: Path) -> None:
    """Lines and words taken out, doubled and swapped: any answer but a crash."""
    numbers = random.Random(0)
    texts = [path.read_text() for path in sorted(FIXTURES.glob("*.py"))]
    read_at_all = 0
    for _ in range(300):
        lines = numbers.choice(texts).splitlines()
        for _ in range(numbers.randint(1, 4)):
            place = numbers.randrange(len(lines))
            other = numbers.randrange(len(lines))
            change = numbers.randrange(4)
            if change == 0:
                del lines[place]
            elif change == 1:
                lines[place], lines[other] = lines[other], lines[place]
            elif change == 2:
                lines.insert(other, lines[place])
            else:
                words = lines[place].split(" ")
                del words[numbers.randrange(len(words))]
                lines[place] = " ".join(words)
        try:
            module = read("\n".join(lines).encode(), tmp_path)
        except UnreadableSource:
            continue
        read_at_all += 1
        findings(module)
    assert read_at_all > 50


def test_columns_count_characters(tmp_path: Path) -> None:
    text = "import keras\né = '日本'; keras.layers.BatchNormalization(momentum=0.1)\n"
    module = read(text.encode(), tmp_path)
    (finding,) = (each for rule in all_rules() for each in rule.check_source(module))
    place = finding.location
    assert (place.line, place.column) == (2, text.splitlines()[1].index("mom") + 1)
    assert place.end_column == len(text.splitlines()[1])


def test_origins_of_a_long_graph_are_looked_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lookups(length: int) -> int:
        lines = ["import keras", "from keras.layers import BatchNormalization"]
        lines += ["x = layer(somewhere)"]
        lines += ["x = BatchNormalization(momentum=0.9)(x, training=True)"] * length
        module = read("\n".join(lines).encode(), tmp_path)
        visits = []
        original = symbolic._look_up

        def counting(*arguments: Any) -> bool | None:
            visits.append(arguments[1])
            return original(*arguments)

        monkeypatch.setattr(symbolic, "_look_up", counting)
        findings(module)
        monkeypatch.undo()
        return len(visits)

    short, long = lookups(20), lookups(200)
    assert 0 < long < 11 * short
