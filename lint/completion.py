"""Shell completion of rules, formats, files and the other commands.

Click does the rest: `eval "$(_MODEL_LINT_COMPLETE=bash_source model-lint)"`, and
likewise with `zsh_source` and `fish_source`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from click import Group
from click.shell_completion import CompletionItem

from .rules import EVERY_RULE, all_rules
from .rules.documentation import summary

if TYPE_CHECKING:
    import click


def targets_or_commands(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete files; before any target, also the other commands."""
    items = [CompletionItem(incomplete, type="file")]
    commands = context.find_root().command
    if not context.params.get(parameter.name or "") and isinstance(commands, Group):
        items += [
            CompletionItem(name)
            for name in commands.list_commands(context)
            if name.startswith(incomplete)
        ]
    return items


def one_rule(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a rule."""
    return _rules(incomplete)


def rules_by_comma(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a rule after the last comma."""
    before, comma, word = incomplete.rpartition(",")
    return _rules(word, before + comma)


def _rules(incomplete: str, before: str = "") -> list[CompletionItem]:
    summaries = {rule.code: summary(rule) for rule in all_rules()}
    summaries |= {rule.name: summary(rule) for rule in all_rules()}
    summaries[EVERY_RULE] = "Every rule."
    return [
        CompletionItem(before + word, help=text)
        for word, text in summaries.items()
        if word.lower().startswith(incomplete.lower())
    ]
