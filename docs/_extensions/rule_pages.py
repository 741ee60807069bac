"""The page of each rule, which is what `model-lint rule CODE` prints, and an index."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from lint.reference import page
from lint.rules import all_rules
from lint.rules.documentation import summary
from lint.urls import rule_page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lint.rules import Rule

GROUPS = {
    "BN0": "What could not be checked",
    "BN1": "The training flag",
    "BN2": "Momentum and running statistics",
    "BN3": "TensorFlow 1",
    "BN4": "What stands around batch normalization",
}
INTRODUCTION = """\
# Rules

Each page is what `model-lint rule CODE` prints: the rationale, a bad and a good
example. Where Keras can run the bad example, the tests do, and observe the harm. **E**
is an error, **W** a warning, **I** is for information and fails no run; rules that are
*off* are applied if they are [selected](../settings.md#select).
"""
FACTS = re.compile(r"(?<=\n\n)(error|warning|info),")
ADDRESS = re.compile(r"^- (https?://\S+)$", re.MULTILINE)


def pages() -> dict[str, str]:
    """File name -> text, of all rules and of their index."""
    rules = all_rules()
    texts = {f"{rule_page(rule).rpartition('/')[2]}.md": text(rule) for rule in rules}
    return {**texts, "index.md": index(rules)}


def text(rule: Rule) -> str:
    """What the command prints, with a severity that is seen and links."""
    emphasized = FACTS.sub(
        lambda match: f"**{match[1].capitalize()}**,", page(rule), count=1
    )
    return ADDRESS.sub(r"- <\1>", emphasized)


def index(rules: Iterable[Rule]) -> str:
    """A table for each hundred of codes."""
    parts = [INTRODUCTION]
    names = []
    for start, members in groupby(rules, key=lambda rule: rule.code[:3]):
        lines = [f"## {GROUPS[start]}", "", "| rule | | finds |", "|-|-|-|"]
        for rule in members:
            name = rule_page(rule).rpartition("/")[2]
            names.append(name)
            state = rule.severity.letter + ("" if rule.default else ", off")
            lines.append(
                f"| [{rule.code}]({name}.md) {rule.name} | {state} | {summary(rule)} |"
            )
        parts.append("\n".join(lines) + "\n")
    listed = "\n".join(names)
    parts.append(f"```{{toctree}}\n:hidden:\n\n{listed}\n```\n")
    return "\n".join(parts)
