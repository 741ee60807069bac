"""A cause: its name, how sure it is, where, what shows it, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Name = Literal[
    "never moved",
    "not converged",
    "momentum too small",
    "batches too small",
    "averaged weights",
    "unlike inputs",
    "unlike data",
    "frozen",
    "flag hard-coded",
    "not finite",
    "dtype too narrow",
    "not batch normalization",
]
Certainty = Literal["certain", "likely", "possible"]

NAMES: tuple[Name, ...] = get_args(Name)
_ORDER: tuple[Certainty, ...] = get_args(Certainty)


@dataclass(frozen=True)
class Cause:
    """Why inference and training differ, or why a model is bad in both.

    Attributes:
        name: one of `NAMES`.
        certainty: `certain` if nothing else can look so, `likely` if little else does,
            `possible` if it is one of several.
        layers: the paths of the layers that show it; empty if none in particular does.
        evidence: what shows it, in a sentence.
        advice: what to do, for a model that is still to be trained or changed.
    """

    name: Name
    certainty: Certainty
    layers: tuple[str, ...]
    evidence: str
    advice: str

    @property
    def rank(self) -> int:
        """To sort by: 0 for what is certain."""
        return _ORDER.index(self.certainty)
