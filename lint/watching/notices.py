"""The warnings of monitoring, in a class of their own, and a record of them."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal[
    "not moving",
    "moving untrained",
    "lagging",
    "collapsed",
    "dead channels",
    "unlike inputs",
    "not finite",
    "loss",
]

_MOST_NAMES = 3  # of layers, in one warning


class WatchWarning(UserWarning):
    """Batch normalization goes wrong in the current training."""


@dataclass(frozen=True)
class Notice:
    """A warning.

    Attributes:
        kind: the kind of problem.
        layer: the path of the layer; None if it concerns the whole model.
        step: the number of training steps before it was seen.
        message: the problem and the remedy.
    """

    kind: Kind
    layer: str | None
    step: int
    message: str


class Notices:
    """The warnings of one training, each given once."""

    def __init__(self) -> None:
        self.given: list[Notice] = []
        self._unsaid: list[Notice] = []

    def give(self, kind: Kind, layer: str | None, step: int, message: str) -> None:
        """Note a warning, unless there was one of this kind for this layer before."""
        if not self.has(kind, layer):
            self._unsaid.append(Notice(kind, layer, step, message))
            self.given.append(self._unsaid[-1])

    def say(self) -> None:
        """Issue the new warnings; layers with the same problem share one."""
        by_kind: dict[Kind, list[Notice]] = {}
        for notice in self._unsaid:
            by_kind.setdefault(notice.kind, []).append(notice)
        self._unsaid.clear()
        for first, *others in by_kind.values():
            text = f"{first.layer}: {first.message}" if first.layer else first.message
            if others:
                text += f" Also affected: {_named(others)}."
            warnings.warn(text, WatchWarning, stacklevel=_stack_level())

    def has(self, kind: Kind, layer: str | None) -> bool:
        """Whether a warning of this kind was given for this layer."""
        return any(
            (notice.kind, notice.layer) == (kind, layer) for notice in self.given
        )


def _named(notices: list[Notice]) -> str:
    names = [str(notice.layer) for notice in notices[:_MOST_NAMES]]
    more = [f"{len(notices) - _MOST_NAMES} more layers"] * (len(notices) > _MOST_NAMES)
    *before, last = [*names, *more]
    return f"{', '.join(before)} and {last}" if before else last


def _stack_level() -> int:
    """Return the stack level, from `say`, of the user's code that trains."""
    import keras

    packages = [Path(file).parent for file in (__file__, keras.__file__)]
    inside = (*(f"{package}{os.sep}" for package in packages), contextlib.__file__)
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inside):
        level, frame = level + 1, frame.f_back
    return level
