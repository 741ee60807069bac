"""Nothing that a terminal would obey gets through."""

import sys
import unicodedata

import pytest

from kerasbn.writing import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("a\r\nb\u2028c\x85", r"a\r\nb\u2028c\x85"),
        ("\udcff\ud800", r"\udcff\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("conv/é 名 \U0001f600 a\u200db\\", "conv/é 名 \U0001f600 a\u200db\\"),
    ],
)
def test_escapes(text, shown):
    assert visible(text) == shown


def test_what_is_kept():
    assert visible("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


def test_every_control_character_and_mark_of_direction():
    """By Unicode's own classes, whatever the pattern says."""
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        if unicodedata.category(character) in (
            "Cc",
            "Cs",
            "Zl",
            "Zp",
        ) or unicodedata.bidirectional(character) in (
            *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
        ):
            assert visible(character).startswith("\\"), hex(number)
