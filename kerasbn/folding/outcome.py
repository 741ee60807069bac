"""The terms of an outcome: what was folded, what was kept, what was proven."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, TypedDict

UNLIKE = "outputs differ in shape, in whole numbers or in which of them are finite"
"""What an infinite relative error means."""


class Folded(TypedDict):
    """A folded BN, by its path, and the layers that absorbed it."""

    layer: str
    into: list[str]
    route: Literal["backward", "forward"]


class KeptBatchNorm(TypedDict):
    """A BN that was kept, by its path, and the reason."""

    layer: str
    reason: str


class Errors(TypedDict):
    """Relative differences between original and folded model; None if not measured."""

    float64: float | None
    float32: float | None


@dataclass(frozen=True)
class Proof:
    """The runs before and after folding, and how far their results differ.

    Attributes:
        scope: "whole" if the whole model was run, "parts" if only parts that folding
            changed were run, perhaps not all; None if nothing was.
        equal: whether all that was run is equal; None if nothing was.
        float64: the largest relative difference in float64 arithmetic, which is the
            proof; None if nothing was run.
        float32: that of the model's outputs in its own precision.
        noise: the difference of the original in its own precision from itself in
            float64.
        not_run: the paths of changed layers that could not be run.
        notes: further remarks for the reader of the proof.
        problem: why it is not equal, if that is known without a comparison.
    """

    scope: Literal["whole", "parts"] | None = None
    equal: bool | None = None
    float64: float | None = None
    float32: float | None = None
    noise: float | None = None
    not_run: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def difference(self) -> str:
        """How what was run differs, in words."""
        if self.problem is not None:
            return self.problem
        if inf in (self.float64, self.float32):
            return UNLIKE
        usual = ""
        if self.float32 is not None:
            usual = f", {self.float32:.1e} in its own precision"
        return f"relative error {self.float64:.1e} in float64{usual}"

    @property
    def verdict(self) -> str:
        """The outcome of the proof in words, for every report."""
        if self.equal is None:
            return "not verified"
        if not self.equal:
            return "not equal"
        if self.scope == "whole":
            return "verified"
        left_out = f" (not run: {', '.join(self.not_run)})" if self.not_run else ""
        return f"verified in parts{left_out}"


NO_PROOF = Proof()
"""Nothing was run, because it was not requested or cannot be run here."""
