"""The index of the rules and the page of a rule, for the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding
from rich.text import Text

from .rules.documentation import markdown, subjects, summary, why
from .urls import rule_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .rules import Rule


def print_rule(rule: Rule) -> None:
    """Print a rule's page; as Markdown if the output is piped."""
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(Markdown(page(rule), code_theme="ansi_dark"))
    else:
        print(page(rule))


def page(rule: Rule) -> str:
    """The Markdown of a rule's page: title, facts, rationale, examples."""
    return f"# {rule.code} {rule.name}\n\n{_facts(rule)}.\n\n{markdown(rule)}"


def print_index(rules: Iterable[Rule]) -> None:
    """Print two lines for each rule: its code, name and facts, then what it reports."""
    console = Console(highlight=False)
    for rule in rules:
        title = Text.assemble(
            (f"{rule.code} {rule.name}", "bold"), f" ({_facts(rule)})"
        )
        console.print(title, soft_wrap=True)
        about = Padding(Text(summary(rule)), (0, 0, 0, 6), expand=False)
        # Only a terminal has a width; piped output is never wrapped.
        console.print(about, soft_wrap=not console.is_terminal)


def print_table(rules: Iterable[Rule]) -> None:
    """Print the index as a table in Markdown."""
    print("| code | name | | finds |\n|---|---|---|---|")
    for rule in rules:
        letter = rule.severity.letter + ("" if rule.default else ", off")
        print(f"| {rule.code} | {rule.name} | {letter} | {summary(rule)} |")


def print_json(rules: Iterable[Rule]) -> None:
    """Print an array with one object for each rule."""
    entries = [
        {
            "code": rule.code,
            "name": rule.name,
            "severity": rule.severity.value,
            "default": rule.default,
            "subjects": subjects(rule),
            "summary": summary(rule),
            "why": why(rule),
            "url": rule_url(rule),
        }
        for rule in rules
    ]
    print(json.dumps(entries, indent=2))


def _facts(rule: Rule) -> str:
    state = "" if rule.default else ", off by default"
    return f"{rule.severity}{state}, for {', '.join(subjects(rule))}"
