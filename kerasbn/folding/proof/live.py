"""The proof for a live model, which need not be saved.

1. Every segment is compared alone and in float64, as for files.
2. The whole is compared in float64, on copies of both models, if their code can
   compute in it.
3. Both run side by side in their own precision. Without float64, they may differ by the
   effect of rounding on the original's outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from kerasbn.comparing import relative_difference
from kerasbn.folding.outcome import Proof
from kerasbn.folding.proof.float64 import (
    SHORT_TOLERANCE,
    TOLERANCE,
    float64_arithmetic,
    may_compute_in_float32,
)
from kerasbn.folding.proof.verify import Parts, compare_segments
from kerasbn.graph import Trust
from kerasbn.live import (
    Float64Copier,
    first_line,
    is_own,
    layers_inside,
    outputs,
    random_inputs_of,
)

if TYPE_CHECKING:
    from kerasbn.folding.apply import FoldedModel
    from kerasbn.live import LiveModel, Rebuilt

_SEED = 1502_03167
# Folding rounds in every layer, not only at the inputs.
_MANY_ROUNDINGS = 1000
# How far outputs in half precision may differ if nothing better can be had.
_HALF_TOLERANCE = 0.05


def verify_live(folded: FoldedModel, original: LiveModel, rebuilt: Rebuilt) -> Proof:
    """Compare a folded live model with its original.

    Args:
        folded: the plan and the float64 weights.
        original: the live model that was read.
        rebuilt: the folded live model, with the rounded weights.
    """
    apart = _parts(folded)
    sides = _Sides(folded, original, rebuilt)
    try:
        inputs = random_inputs_of(original.model)
        expected = outputs(original.model, inputs)
        again = outputs(original.model, inputs)
    except Exception as error:
        return _in_parts(apart, f"the original cannot be run: {first_line(error)}")
    if relative_difference(expected, again) > SHORT_TOLERANCE:
        return _in_parts(apart, "it draws random numbers and never repeats itself")
    try:
        usual = relative_difference(expected, outputs(rebuilt.model, inputs))
    except Exception as error:
        problem = f"the folded model cannot be run: {first_line(error)}"
        return Proof("whole", False, np.inf, np.inf, problem=problem)
    try:
        exact = sides.in_float64(inputs, expected)
    except Exception as error:
        return _in_own_precision(
            apart, original.model, inputs, expected, usual, first_line(error)
        )
    proven = apart.equal and not apart.not_run
    short = proven and _has_other_code(folded, original.model)
    whole, notes = exact.difference, _notes(apart)
    equal = whole <= (SHORT_TOLERANCE if short else TOLERANCE)
    chaotic = not equal and proven and whole <= (_MANY_ROUNDINGS * exact.sensitivity)
    if chaotic:
        notes.append(
            "only the folded layers were verified: a single rounding changes its "
            f"outputs by {exact.sensitivity:.0e}"
        )
    return Proof(
        "parts" if chaotic else "whole",
        bool((equal or chaotic) and apart.equal and np.isfinite(usual)),
        max(0.0 if chaotic else whole, apart.largest),
        usual,
        exact.noise,
        not_run=apart.not_run,
        notes=tuple(notes),
    )


def _has_other_code(folded: FoldedModel, model: Any) -> bool:
    """Whether any layer may compute in float32 whatever its dtype."""
    return any(map(may_compute_in_float32, folded.graph.walk())) or any(
        is_own(layer) for layer, _ in [(model, ""), *layers_inside(model)]
    )


def _parts(folded: FoldedModel) -> Parts:
    """Return the results of the segments; the user's own code is left to the whole."""
    return compare_segments(folded, Trust(frozenset(keras.saving.get_custom_objects())))


def _notes(apart: Parts) -> list[str]:
    if not apart.not_run:
        return []
    some = ", ".join(apart.not_run[:3])
    more = len(apart.not_run) - 3
    names = f"{some} and {more} more" if more > 0 else some
    return [f"verified only together with the whole: {names}"]


def _in_parts(apart: Parts, reason: str) -> Proof:
    """Return the proof if the whole cannot be compared."""
    if not apart.run:
        return Proof(notes=(f"not verified: {reason}",), not_run=apart.not_run)
    note = f"only the folded layers were verified: {reason}"
    left_out = (f"not run alone: {why}" for why in apart.reasons)
    return Proof(
        "parts",
        apart.equal,
        apart.largest,
        not_run=apart.not_run,
        notes=(note, *left_out),
    )


def _in_own_precision(
    apart: Parts,
    model: Any,
    inputs: Any,
    expected: Any,
    usual: float,
    reason: str,
) -> Proof:
    """Return the proof if the whole does not run in float64."""
    noise = relative_difference(expected, outputs(model, _nudged(inputs)))
    short = "16" in str(model.compute_dtype)
    tolerance = (
        _HALF_TOLERANCE
        if short
        else _MANY_ROUNDINGS * max(noise, float(np.finfo("float32").eps))
    )
    note = f"the whole was compared in its own precision only: {reason}"
    return Proof(
        "whole",
        bool(apart.equal and usual <= tolerance),
        apart.largest,
        usual,
        noise,
        not_run=apart.not_run,
        notes=(*_notes(apart), note),
    )


class _InFloat64(NamedTuple):
    """The results of the whole in float64.

    Attributes:
        difference: between original and folded model.
        sensitivity: the change of the original's outputs when its inputs change by one
            rounding.
        noise: of the original in its own precision.
    """

    difference: float
    sensitivity: float
    noise: float


class _Sides(NamedTuple):
    """The original and the folded model."""

    folded: Any
    original: LiveModel
    rebuilt: Rebuilt

    def in_float64(self, inputs: Any, usual: Any) -> _InFloat64:
        """Compare copies of both in float64."""
        with float64_arithmetic():
            model = Float64Copier().copied(self.original.model)
            copier = Float64Copier(self.rebuilt.exact_constants)
            new = copier.copied(self.rebuilt.model)
            for path, variables in self.folded.float64_weights.items():
                if variables:
                    self.rebuilt.assign(path, variables, copier)
            exact = outputs(model, inputs)
            difference = relative_difference(exact, outputs(new, inputs))
            sensitivity = 0.0
            if difference > TOLERANCE:
                nudged = outputs(model, _nudged(inputs, "float64"))
                sensitivity = relative_difference(exact, nudged)
        return _InFloat64(difference, sensitivity, relative_difference(exact, usual))


def _nudged(inputs: Any, dtype: str = "float32") -> Any:
    """Inputs that differ by one rounding."""

    def nudged(values: Any) -> Any:
        if values.dtype.kind != "f":
            return values
        return np.nextafter(values.astype(dtype), np.asarray(np.inf, dtype))

    return keras.tree.map_structure(nudged, inputs)
