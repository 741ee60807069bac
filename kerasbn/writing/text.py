"""Text that a terminal shows and does not obey."""

from __future__ import annotations

import re

# Control characters, which C1 are, too; marks that turn the direction of text around;
# separators of lines; what is invisible; and what is no character at all.
_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: object, keep: str = "") -> str:
    r"""The text with escapes (`\x1b`, `\u202e`, `\n`) for what a terminal would obey.

    Names in a model file, and names of files, are anybody's: they may hold sequences
    that clear the screen, write into the clipboard or forge lines.

    Args:
        text: any text, or what has one.
        keep: the characters that stay, such as the line ends of text of our own.
    """

    def escaped(match: re.Match[str]) -> str:
        character = match[0]
        if character in keep:
            return character
        return character.encode("unicode_escape").decode("ascii")

    return _OBEYED.sub(escaped, str(text))
