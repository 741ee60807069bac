"""What watching has to say: warnings of a class of their own, and a record of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
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
            warnings.warn(text, WatchWarning, stacklevel=2)

    def has(self, kind: Kind, layer: str | None) -> bool:
        """Whether it was said of this layer."""
        return any((each.kind, each.layer) == (kind, layer) for each in self.given)
