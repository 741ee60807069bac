"""Signs: patterns to look for in texts, most of which have none of their words."""

from __future__ import annotations

import re
from functools import cached_property


class Sign:
    """A pattern, and words of which every text has one that it is found in.

    Words are found in a hundredth of the time that a pattern takes which does not begin
    with one.

    Args:
        words: the words, or stretches of text, with ` | ` between them.
        pattern: the pattern, verbose; `^` and `$` are for lines.
    """

    def __init__(self, words: str, pattern: str):
        self.words = words.split(" | ")
        self._pattern = pattern

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern, which most runs of the command do without."""
        return re.compile(self._pattern, re.MULTILINE | re.VERBOSE)

    def search(self, text: str) -> re.Match[str] | None:
        """Return the first place where the pattern is found."""
        for word in self.words:
            if word in text:
                return self.pattern.search(text)
        return None
