"""What is looked for in texts before they are parsed."""

from pathlib import Path

import pytest

from lint.subjects.source.reading.project_texts import ProjectTexts
from lint.subjects.source.reading.signs import Sign


def test_a_sign_is_the_place_of_its_pattern() -> None:
    sign = Sign("tf.layers | v1.layers", r"^ x [ ] = [ ] \w+\.layers")
    found = sign.search("y = v1.layers\nx = tf.layers\n")
    assert found is not None
    assert found.start() == 14
    assert sign.search("y = v1.layers\n") is None
    assert sign.search("x = my.layers\n") is None  # it has none of the words


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        ("y = step(x)", True),
        ("self.step\\\n (x)", True),
        ("(step)(x)", True),
        ("def step(x): pass", False),
        ("class step(Base): pass", False),
        ("def step(x): return step(x - 1)", True),
        ("first_step(x); steps(x); run(step)", False),
    ],
)
def test_whether_a_text_calls(tmp_path: Path, code: str, calls: bool) -> None:
    path = tmp_path / "m.py"
    path.write_text(code, encoding="utf-8")
    assert ProjectTexts(tmp_path).calls(path, "step") is calls
