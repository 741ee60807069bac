"""A rule's documentation, read from the rule itself."""

from __future__ import annotations

import inspect
import re

from .rule import Rule

WHY = "Why is this bad"


def summary(rule: Rule) -> str:
    """Return one line that says what the rule reports."""
    return _text(rule).partition("\n")[0]


def why(rule: Rule) -> str:
    """Return the first sentence of the rationale, on one line."""
    _, _, rationale = _text(rule).partition(f"## {WHY}\n")
    paragraph = " ".join(rationale.split("\n## ")[0].split())
    return re.split(r"(?<=[.!?]) (?=[A-Z`])", paragraph)[0]


def subjects(rule: Rule) -> list[str]:
    """Return what the rule checks: saved models, live models, source."""
    found = []
    if _overrides(rule, "check_model"):
        found.append(_models(rule))
    if _overrides(rule, "check_source") or _overrides(rule, "check_suppressions"):
        found.append("source")
    if is_about_reading(rule):
        found.append("any file")
    return found


def _models(rule: Rule) -> str:
    if rule.saved_only:
        return "saved models"
    return "live models" if rule.live_only else "saved and live models"


def is_about_reading(rule: Rule) -> bool:
    """Whether the rule reports targets that could not be read."""
    return _overrides(rule, "check_unread")


def markdown(rule: Rule) -> str:
    """Return the whole page: rationale, bad and good example."""
    return "\n\n".join(
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


def _overrides(rule: Rule, method: str) -> bool:
    return getattr(type(rule), method) is not getattr(Rule, method)
