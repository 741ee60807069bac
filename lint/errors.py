"""The error a user can meet: the lint was asked for something it cannot do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class UsageError(ValueError):
    """A wrong argument, setting or target; its message says what to do about it."""


def did_you_mean(received: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` with the known word nearest to `received`, or nothing."""
    by_lower = {word.lower(): word for word in known}
    near = get_close_matches(received.lower(), by_lower, n=1)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""
