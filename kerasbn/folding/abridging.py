"""Abridging of long lists: a few entries stand for all similar ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kerasbn.folding.outcome import Folded, KeptBatchNorm

Entry = TypeVar("Entry", "Folded", "KeptBatchNorm")

# How many similar entries are shown, and how many more there must be to omit the rest.
_SHOWN, _WORTH_IT = 3, 3

_NAMES = re.compile(r"`[^`]*`(, `[^`]*`)*|\d+")


def abridged(entries: Sequence[Entry]) -> Iterator[tuple[Entry, int]]:
    """Yield the entries worth showing, each with the number of similar ones omitted.

    BN layers kept for reasons that differ only in names and numbers are similar, and so
    are those folded by the same route.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_kind(entry), []).append(entry)
    left_out = {
        kind: len(group) - _SHOWN
        for kind, group in groups.items()
        if len(group) >= _SHOWN + _WORTH_IT
    }
    seen = dict.fromkeys(groups, 0)
    for entry in entries:
        kind = _kind(entry)
        seen[kind] += 1
        if kind not in left_out or seen[kind] < _SHOWN:
            yield entry, 0
        elif seen[kind] == _SHOWN:
            yield entry, left_out[kind]


def _kind(entry: Folded | KeptBatchNorm) -> str:
    return _NAMES.sub("`", str(entry.get("reason") or entry.get("route")))
