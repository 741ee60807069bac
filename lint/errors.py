"""The error for users: a request that the lint cannot serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


_LIKE_DIGITS = str.maketrans("oil", "011")


class UsageError(ValueError):
    """A wrong argument, setting or target; the message says what to do about it."""


def did_you_mean(received: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` with the known word closest to `received`, or ""."""
    from difflib import get_close_matches  # Few runs need it.

    by_lower = {word.lower(): word for word in known}
    word = received.lower()
    # Digits that look like letters are the commonest typo in a code.
    as_digits = word[:2] + word[2:].translate(_LIKE_DIGITS)
    near = [as_digits] if as_digits in by_lower else []
    near = near or get_close_matches(word, by_lower, n=1)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""
