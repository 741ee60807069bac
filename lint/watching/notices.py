"""What watching has to say: warnings of a class of their own, and a record of them."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["not moving", "lagging", "collapsed", "dead channels", "loss"]


class WatchWarning(UserWarning):
    """Batch normalization goes wrong in the training that runs now."""


@dataclass(frozen=True)
class Notice:
    """One warning.

    Attributes:
        kind: what is wrong.
        layer: the path of the layer; None if it is about the whole model.
        step: after how many training steps it was seen.
        message: what is wrong and what to do.
    """

    kind: Kind
    layer: str | None
    step: int
    message: str


class Notices:
    """The warnings of one training, each given once."""

    def __init__(self) -> None:
        self.given: list[Notice] = []

    def give(self, kind: Kind, layer: str | None, step: int, message: str) -> None:
        """Warn, unless it was said of this layer before."""
        if not self.has(kind, layer):
            self.given.append(Notice(kind, layer, step, message))
            text = f"{layer}: {message}" if layer else message
            warnings.warn(text, WatchWarning, stacklevel=_stack_level())

    def has(self, kind: Kind, layer: str | None) -> bool:
        """Whether it was said of this layer."""
        return any((each.kind, each.layer) == (kind, layer) for each in self.given)


def _stack_level() -> int:
    """How far up from `give` the code of the user is, who called `fit` or `step`."""
    import keras

    packages = [Path(file).parent for file in (__file__, keras.__file__)]
    inside = (*(f"{each}{os.sep}" for each in packages), contextlib.__file__)
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inside):
        level, frame = level + 1, frame.f_back
    return level
