"""The proof that folding changed nothing but rounding.

The noise of float32 differs from model to model, from 1e-7 to 3e-3, so no fixed
tolerance separates a wrong fold from a right one there. In float64 one does:

1. The file is compared with what was meant: the rounded float64 weights and the
   unchanged ones, bit for bit, and the graph.
2. The whole folded model is loaded, run and compared with the whole original in
   float64, unless rounding alone, which is the same for both, makes more of a
   difference there.
3. Every segment, that is, every BN with the layers that absorbed it and those between
   them, is compared alone and in float64. No softmax at a model's end can hide a
   difference, and none of the user's own classes is needed.

In addition, the difference in the model's own precision is measured, and the noise that
the original itself has there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from kerasbn.errors import UnusableFileError
from kerasbn.folding.outcome import Proof
from kerasbn.folding.proof.calling import unknown_in_call
from kerasbn.folding.proof.float64 import (
    SHORT_TOLERANCE,
    TOLERANCE,
    computes_in_float32,
    may_compute_in_float32,
)
from kerasbn.folding.proof.running_segments import CannotRunSegment, segment_difference
from kerasbn.folding.proof.segments import segments
from kerasbn.folding.proof.shapes import find_shapes
from kerasbn.folding.proof.whole import compare_whole
from kerasbn.folding.proof.written import flaw
from kerasbn.graph import NO_TRUST, Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kerasbn.folding.apply import FoldedModel
    from kerasbn.folding.proof.segments import Segment
    from kerasbn.folding.proof.whole import Whole

_SEED = 1502_03167
# Folding rounds in every layer, not only at the inputs.
_MANY_ROUNDINGS = 1000


def verify(
    folded: FoldedModel,
    written: Path,
    trust: Trust = NO_TRUST,
    custom_objects: Mapping[str, Any] | None = None,
    progress: Callable[[str], object] = lambda step: None,
) -> Proof:
    """Compare the folded model in a file with its original.

    Args:
        folded: the folded model and, in it, the original.
        written: the `.keras` file.
        trust: code that may be run besides Keras' own classes and registered ones.
        custom_objects: classes that Keras needs to load the model.
        progress: called with the name of each step.

    Raises:
        UnusableFileError: if Keras cannot load or run the file, or neither the whole
            model nor any segment can be run here.
    """
    registered = trust.registered | keras.saving.get_custom_objects().keys()
    trust = Trust(frozenset(registered), trust.everything)
    progress("Verifying what was written")
    if problem := flaw(folded, written):
        return Proof("whole", equal=False, float64=np.inf, problem=problem)
    progress("Verifying the whole model")
    whole = compare_whole(folded, written, trust, custom_objects)
    parts = compare_segments(folded, trust, progress)
    # If float64 is not available throughout, the segments are the proof.
    short = parts.equal and any(map(may_compute_in_float32, folded.graph.walk()))
    return _combined(parts, whole, SHORT_TOLERANCE if short else TOLERANCE)


class Parts(NamedTuple):
    """The results of the segments.

    Attributes:
        largest: the largest relative difference in float64 of any that was run.
        equal: whether all that were run are equal.
        run: how many were run.
        not_run: the paths of the changed layers in those that were not.
        reasons: the reasons.
    """

    largest: float
    equal: bool
    run: int
    not_run: tuple[str, ...]
    reasons: tuple[str, ...]


def compare_segments(
    folded: FoldedModel,
    trust: Trust,
    progress: Callable[[str], object] = lambda step: None,
) -> Parts:
    """Run each segment on its own, before and after.

    Raises:
        UnusableFileError: if one cannot be run, though all of its layers are known.
    """
    rng = np.random.default_rng(_SEED)
    found = segments(folded)
    inputs = [value for segment in found for value in segment.inputs]
    shapes = find_shapes(inputs, folded.plan.flow, folded.archive, trust)
    largest, equal, run = 0.0, True, 0
    not_run: dict[str, None] = {}
    reasons: list[str] = []
    for number, segment in enumerate(found, 1):
        progress(f"Verifying part {number} of {len(found)}")
        unknown = [u for call in segment.calls for u in unknown_in_call(call, trust)]
        if unknown or not shapes.keys() >= {*segment.inputs}:
            reasons.append(str(unknown[0]) if unknown else _shapeless(segment))
            not_run.update(dict.fromkeys(segment.changed))
            continue
        try:
            difference = segment_difference(segment, folded, shapes, rng)
        except CannotRunSegment as reason:
            names = ", ".join(f"`{call.layer.path}`" for call in segment.calls)
            raise UnusableFileError(
                f"The folded model cannot be verified here: {names} cannot be run "
                f"alone. Received: {reason}. Please report this model, and skip the "
                "proof (--no-verify, verify=False)."
            ) from reason
        short = any(computes_in_float32(call.layer) for call in segment.calls)
        largest, run = max(largest, difference), run + 1
        equal = equal and difference <= (SHORT_TOLERANCE if short else TOLERANCE)
    return Parts(largest, equal, run, tuple(not_run), tuple(dict.fromkeys(reasons)))


def _shapeless(segment: Segment) -> str:
    return f"the shape of the input of `{segment.calls[0].layer.path}` is not known"


def _combined(parts: Parts, whole: Whole, tolerance: float) -> Proof:
    """Combine the results of the segments and of the whole."""
    left_out = [f"not run alone: {reason}" for reason in parts.reasons]
    if whole.reason is not None:
        return _in_parts(parts, whole.reason, left_out)
    largest, equal = whole.float64, whole.float64 <= tolerance
    notes = []
    chaotic = whole.float64 <= _MANY_ROUNDINGS * whole.sensitivity
    if not equal and chaotic and parts.equal and not parts.not_run:
        largest, equal = 0.0, True
        notes = [
            "only the folded layers were verified: a single rounding changes its "
            f"outputs by {whole.sensitivity:.0e}"
        ]
    return Proof(
        "parts" if notes or parts.not_run else "whole",
        equal and parts.equal,
        max(largest, parts.largest),
        whole.float32,
        whole.noise,
        parts.not_run,
        (*notes, *left_out),
    )


def _in_parts(parts: Parts, reason: str, left_out: list[str]) -> Proof:
    """Return the proof if only the segments could be run."""
    if parts.run:
        note = f"only the folded layers were verified: {reason}"
        return Proof(
            "parts",
            parts.equal,
            parts.largest,
            not_run=parts.not_run,
            notes=(note, *left_out),
        )
    if not parts.not_run:
        return Proof(notes=(f"nothing was folded, and nothing verified: {reason}",))
    raise UnusableFileError(
        f"The folded model cannot be verified here. {'; '.join([reason, *left_out])}. "
        "Make that possible (--import for classes of your own, KERAS_BACKEND for "
        "another backend), or skip the proof (--no-verify, verify=False)."
    )
