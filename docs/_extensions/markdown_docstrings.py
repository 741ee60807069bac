"""Docstrings as Keras writes them, in Markdown with Google's sections, made RST.

The sections (`Args:`, `Returns:`) are left to napoleon. Code, links, formulas and
examples become what RST calls them.
"""

from __future__ import annotations

import re

CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\[([^\]]+)\]\((\S+?)\)")
SECTION = re.compile(r"[A-Z][a-z]+( [a-z]+)?:$")


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
