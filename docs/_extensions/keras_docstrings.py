"""Docstrings as Keras writes them, in Markdown, for autodoc, which reads RST.

The sections (`Args:`, `Returns:`) are left to napoleon; here, before it, code, links,
formulas and examples become what RST calls them.

No framework is imported: its names are stand-ins while the site is built.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sphinx.ext.autodoc.mock import mock
from sphinx.util.inspect import signature, stringify_signature

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# `autodoc_mock_imports` would take them away again before autodoc reads the sources, and
# importing these brings the real Keras then.
STAND_INS = mock(["keras", "tensorflow", "jax", "torch"])

CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\[([^\]]+)\]\((\S+?)\)")
SECTION = re.compile(r"[A-Z][a-z]+( [a-z]+)?:$")


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


def as_rst(text: str) -> str:
    """The docstring with the markup of RST in place of that of Markdown."""
    paragraphs = re.split(r"\n\s*\n", text.strip("\n"))
    converted: list[str] = []
    for paragraph, before in zip(paragraphs, ["", *paragraphs], strict=False):
        if _is_code(paragraph, before):
            converted += ["::", paragraph]
        else:
            converted.append(_example(_inline(paragraph)))
    return "\n\n".join(converted) + "\n"


def _inline(text: str) -> str:
    """Code and links, which may run over the end of a line."""
    text = CODE.sub(lambda match: f"``{' '.join(match[1].split())}``", text)

    def link(match: re.Match[str]) -> str:
        return f"`{' '.join(match[1].split())} <{match[2]}>`__"

    return LINK.sub(link, text)


def _example(text: str) -> str:
    """A section `Example:` whose code is indented, as napoleon asks."""
    head, _, code = text.partition("\n")
    if head.strip() != "Example:":
        return text
    return f"{head}\n\n" + "\n".join(f"    {line}" for line in code.splitlines())


def _is_code(text: str, before: str) -> bool:
    """Whether a paragraph is what Markdown shows as code: indented, no section."""
    if SECTION.match(before.strip().partition("\n")[0]):
        return False
    first = before.rpartition("\n")[2]
    depth = len(text) - len(text.lstrip())
    return depth >= 4 and depth - (len(first) - len(first.lstrip())) >= 4
