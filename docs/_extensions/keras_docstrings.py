"""Docstrings as Keras writes them, in Markdown, for autodoc, which reads RST.

They are converted before napoleon reads their sections. No framework is imported: its
names are stand-ins while the site is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markdown_docstrings import as_rst
from sphinx.ext.autodoc.mock import mock
from sphinx.util.inspect import signature, stringify_signature

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# `autodoc_mock_imports` would take them away again before autodoc reads the sources,
# and importing these brings the real Keras then.
STAND_INS = mock(["keras", "tensorflow", "jax", "torch"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Convert each docstring before napoleon does."""
    STAND_INS.__enter__()
    app.connect("build-finished", lambda *_: STAND_INS.__exit__(None, None, None))
    app.connect("autodoc-process-docstring", _convert, priority=100)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True}


def _convert(
    app: Sphinx, kind: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    lines[:] = as_rst("\n".join(lines)).split("\n")


def _signature(
    app: Sphinx, kind: str, name: str, thing: Any, options: Any, args: str, answer: str
) -> tuple[str, str] | None:
    """That of the class itself, not of the stand-in for its base."""
    if kind != "class" or "__init__" not in vars(thing):
        return None
    own = signature(thing.__init__, bound_method=True)
    return stringify_signature(own, show_annotation=False), answer
