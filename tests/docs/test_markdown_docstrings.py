"""What docstrings say in Markdown, autodoc reads as RST."""

import pytest
from markdown_docstrings import as_rst


@pytest.mark.parametrize(
    ("markdown", "rst"),
    [
        ("Give `x` back.", "Give ``x`` back."),
        ("A name `over\nlines`.", "A name ``over lines``."),
        ("See [a b](https://x.y/z).", "See `a b <https://x.y/z>`__."),
        ("See [a\nb](https://x.y).", "See `a b <https://x.y>`__."),
        ("**Bold** stays.", "**Bold** stays."),
        (
            "The mean,\n\n    m = a + b\n\nis.",
            "The mean,\n\n::\n\n    m = a + b\n\nis.",
        ),
        ("Args:\n    x: one.\n\n    y: two.", "Args:\n    x: one.\n\n    y: two."),
        ("Returns:\n    A `Model`.", "Returns:\n    A ``Model``."),
        ("Example:\n>>> f(`x`)", "Example:\n\n    >>> f(``x``)"),
    ],
)
def test_converts(markdown, rst):
    assert as_rst(markdown) == rst + "\n"
