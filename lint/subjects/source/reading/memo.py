"""Answers that are found once and kept with their module."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .module import Module
    from .values import Class

Question = TypeVar("Question", bound="Callable[..., Any]")
Answer = TypeVar("Answer")


def remembered(question: Question) -> Question:
    """Remember the answer to a question about a module, or about a node in it."""

    @wraps(question)
    def answered(module: Module, *about: Any) -> Any:
        key = (question, *about)
        if key not in module.answers:
            module.answers[key] = question(module, *about)
        return module.answers[key]

    return cast("Question", answered)


def remembered_of_class(question: Question) -> Question:
    """Remember the answer to a question about a class, if the search was complete.

    A search on the way from another question may be cut short by a cycle.
    """

    @wraps(question)
    def answered(cls: Class, *about: Any) -> Any:
        key = (question, cls.node, *about)
        answers = cls.module.answers
        if key in answers:
            return answers[key]
        alone = cls.module.project.trail.is_idle
        answer = question(cls, *about)
        if alone:
            answers[key] = answer
        return answer

    return cast("Question", answered)


def found_once(
    search: Callable[[Module], Iterable[Answer]],
) -> Callable[[Module], tuple[Answer, ...]]:
    """Keep all that a search of a module yields."""

    @remembered
    @wraps(search)
    def found(module: Module) -> tuple[Answer, ...]:
        return tuple(search(module))

    return found
