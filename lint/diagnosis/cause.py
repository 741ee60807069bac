"""A cause: its name, certainty, layers, evidence, and advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Name = Literal[
    "never moved",
    "not converged",
    "momentum too small",
    "batches too small",
    "outliers",
    "averaged weights",
    "other epsilon",
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
POSSIBLE = _ORDER.index("possible")


@dataclass(frozen=True)
class Cause:
    """A reason why inference and training differ, or why a model is bad in both.

    Attributes:
        name: one of `NAMES`.
        certainty: `certain` if nothing else can look like this, `likely` if little else
            does, `possible` if it is one of several.
        layers: the paths of the layers concerned; empty if it is none in particular.
        evidence: the observation, in a sentence.
        advice: the remedy, for a model that is still to be trained or changed.
    """

    name: Name
    certainty: Certainty
    layers: tuple[str, ...]
    evidence: str
    advice: str

    @property
    def rank(self) -> int:
        """The sort key: 0 for certain causes."""
        return _ORDER.index(self.certainty)
