"""A rule's documentation, read from the rule itself."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

WHY = "Why is this bad"


def summary(rule: Rule) -> str:
    """One line that says what the rule reports."""
    return _text(rule).partition("\n")[0]


def why(rule: Rule) -> str:
    """The first sentence of the rationale, on one line."""
    _, _, rationale = _text(rule).partition(f"## {WHY}\n")
    paragraph = " ".join(rationale.split("\n## ")[0].split())
    return re.split(r"(?<=[.!?]) (?=[A-Z`])", paragraph)[0]


def where(rule: Rule) -> str:
    """Which subjects the rule speaks of: F saved file, L live model, S source."""
    return " ".join(_subjects(rule))


def markdown(rule: Rule) -> str:
    """The whole page: rationale, bad and good example."""
    return "\n".join(
        [
            _text(rule).strip(),
            "## Bad",
            f"```python\n{rule.bad.strip()}\n```",
            "## Good",
            f"```python\n{rule.good.strip()}\n```",
        ]
    )


def _text(rule: Rule) -> str:
    return inspect.getdoc(type(rule)) or ""


def _subjects(rule: Rule) -> Iterator[str]:
    own = type(rule)
    if own.check_model is not Rule.check_model:
        yield "F"
        if not own.saved_only:
            yield "L"
    if own.check_source is not Rule.check_source:
        yield "S"
    if own.check_unread is not Rule.check_unread:
        yield from "FS"
