"""The index of the rules and the page of one, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from .rules.documentation import markdown, summary, where

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .rules import Rule


def print_rule(rule: Rule) -> None:
    """Print a rule's page."""
    console = Console(highlight=False)
    state = "on" if rule.default else "off"
    console.print(
        Text.assemble(
            (f"{rule.code} {rule.name}", "bold"),
            f"\n{rule.severity}, {state} by default, reads {where(rule)}\n",
        )
    )
    console.print(Markdown(markdown(rule), code_theme="ansi_dark"))


def print_index(rules: Iterable[Rule]) -> None:
    """Print a table of the rules."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("code", "name", "sev", "where", "on", "what"):
        table.add_column(heading, no_wrap=heading != "what")
    for rule in rules:
        table.add_row(
            rule.code,
            rule.name,
            rule.severity.letter,
            where(rule),
            "yes" if rule.default else "no",
            summary(rule),
        )
    console.print(table)
    console.print(
        "sev: E error, W warning, I info; where: F saved file, L live model, S source",
        style="dim",
    )
