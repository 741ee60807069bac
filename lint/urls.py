"""Addresses of the project and of the pages of its rules."""

from __future__ import annotations

from functools import cache
from importlib.metadata import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .rules import Rule


@cache
def project_url(label: str) -> str:
    """Return the address under this label in the package's metadata.

    Raises:
        KeyError: if there is none.
    """
    entries = metadata("kerasbn").get_all("Project-URL") or []
    return dict(entry.split(", ", 1) for entry in entries)[label]


def rule_page(rule: Rule) -> str:
    """The rule's page within the documentation, where it is written and looked for."""
    return f"rules/{rule.code.lower()}"


def rule_url(rule: Rule) -> str:
    """Return the address of a rule's page."""
    return f"{project_url('Documentation').rstrip('/')}/{rule_page(rule)}/"
