"""Answers about a module that several rules ask for, found once."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .module import Module

Answer = TypeVar("Answer")


def once(
    question: Callable[[Module], Iterable[Answer]],
) -> Callable[[Module], tuple[Answer, ...]]:
    """Keep with the module what a question about it has found."""

    @wraps(question)
    def answered(module: Module) -> tuple[Answer, ...]:
        if question not in module.answers:
            module.answers[question] = tuple(question(module))
        return module.answers[question]

    return answered
