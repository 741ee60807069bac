"""The rules: every module `bn…` in this folder holds one.

They are found by listing the folder, so a new rule is one new file.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from ..errors import UsageError, did_you_mean
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "EVERY_RULE",
    "UNREADABLE",
    "Rule",
    "all_rules",
    "enabled_rules",
    "rule_by_code",
    "rules_matching",
    "selector_means",
]

EVERY_RULE = "ALL"
DEFAULT_RULES = "BN"
UNREADABLE = "BN001"


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return an instance of every rule, sorted by code."""
    modules = [
        import_module(f".{module.name}", __name__)
        for module in iter_modules(__path__)
        if module.name.startswith("bn")
    ]
    rules = [
        member()
        for module in modules
        for member in vars(module).values()
        if type(member) is type  # isinstance would load `subjects.source`.
        and issubclass(member, Rule)
        and member.__module__ == module.__name__
    ]
    return tuple(sorted(rules, key=lambda rule: rule.code))


def rule_by_code(word: str) -> Rule:
    """Return the rule with this code or name, in either case.

    Raises:
        UsageError: if there is none.
    """
    for rule in all_rules():
        if word.lower() in (rule.code.lower(), rule.name):
            return rule
    raise _unknown(word)


def rules_matching(selector: str) -> tuple[Rule, ...]:
    """Return the rules a selector means: a code, a name, a code prefix, or `ALL`.

    Raises:
        UsageError: if there is none.
    """
    found = tuple(
        rule for rule in all_rules() if selector_means(selector, rule.code, rule.name)
    )
    if not found:
        raise _unknown(selector)
    return found


def enabled_rules(
    select: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    extend_select: Sequence[str] = (),
) -> tuple[Rule, ...]:
    """The rules that are on.

    Without `select`, or with `BN`, these are the rules that are on by default; those of
    `extend_select` are added. Where a rule is both selected and ignored, the more
    specific selector wins, and `ignore` wins a tie. Unreadable targets are reported
    whatever is selected, unless they are ignored.

    Raises:
        UsageError: if a selector means no rule.
    """
    for selector in (*(select or ()), *ignore, *extend_select):
        rules_matching(selector)
    chosen = (*(select or ()), *extend_select)

    def is_on(rule: Rule) -> bool:
        selected = most_specific(
            [word for word in chosen if rule.default or word.upper() != DEFAULT_RULES],
            rule,
        )
        if select is None or rule.code == UNREADABLE:
            selected = max(selected, int(rule.default))
        return selected > most_specific(ignore, rule)

    def most_specific(selectors: Sequence[str], rule: Rule) -> int:
        ranks = (_specificity(word, rule.code, rule.name) for word in selectors)
        return max(ranks, default=0)

    return tuple(rule for rule in all_rules() if is_on(rule))


def selector_means(selector: str, code: str, name: str) -> bool:
    """Whether a code, a name, a code prefix, or `ALL` means this rule."""
    return _specificity(selector, code, name) > 0


def _specificity(selector: str, code: str, name: str) -> int:
    """Return how precisely a selector means a rule; 0 if it does not."""
    if selector.upper() == EVERY_RULE:
        return 1
    if selector.lower() == name:
        return len(code)
    if selector and code.startswith(selector.upper()):
        return len(selector)
    return 0


def _unknown(selector: str) -> UsageError:
    words = [word for rule in all_rules() for word in (rule.code, rule.name)]
    return UsageError(
        f"No rule has this code, name or prefix. Received: {selector!r}."
        f"{did_you_mean(selector, words)} `model-lint rules` lists them all."
    )
