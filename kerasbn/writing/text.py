"""Text that a terminal shows and does not obey."""

from __future__ import annotations

import re

# Control characters, including C1; marks that reverse the direction of text; line
# separators; invisible characters; and noncharacters.
_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: object, keep: str = "") -> str:
    r"""Return the text with escapes (`\x1b`, `\n`) for what a terminal would obey.

    Names in a model file, and names of files, can come from anyone: they may contain
    sequences that clear the screen, write into the clipboard or forge lines.

    Args:
        text: any text, or an object that has one.
        keep: the characters to keep, such as the line ends of our own text.
    """

    def escaped(match: re.Match[str]) -> str:
        character = match[0]
        if character in keep:
            return character
        return character.encode("unicode_escape").decode("ascii")

    return _OBEYED.sub(escaped, str(text))
