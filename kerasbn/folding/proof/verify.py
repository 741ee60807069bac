"""The proof that folding changed nothing but rounding.

The noise of float32 differs from model to model, from 1e-7 to 3e-3, so no fixed
tolerance tells a wrong fold from a right one there. In float64 one does:

1. Every segment, that is, every BN with the layers that took it in and those between
   them, is compared alone and in float64. No softmax at a model's end can hide a
   difference, and no class of the user's own is needed.
2. The whole folded model is compared with the whole original in float64, unless
   rounding alone, which is the same for both, makes more of a difference there.
3. What was written is compared, bit for bit, with the rounded float64 weights.

Beside it stands the difference in the model's own precision, and the noise that the
original has there by itself.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from kerasbn.archive import open_archive, write_archive
from kerasbn.errors import UnusableFileError
from kerasbn.folding.outcome import Proof
from kerasbn.folding.proof.float64 import (
    computes_in_float32,
    float64_arithmetic,
    in_float64,
    may_compute_in_float32,
    relative_difference,
)
from kerasbn.folding.proof.inputs import random_inputs
from kerasbn.folding.proof.running import segment_difference
from kerasbn.folding.proof.segments import segments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from kerasbn.folding.apply import FoldedModel
    from kerasbn.graph import Graph

TOLERANCE = 1e-9
"""The largest relative difference in float64 that counts as equal."""

SHORT_TOLERANCE = 1e-5
"""The same behind a layer that computes in float32 whatever dtype it is asked for."""

_SEED = 1502_03167
# Folding rounds in every layer, not only at the inputs.
_MANY_ROUNDINGS = 1000


def verify(
    folded: FoldedModel,
    written: Path,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Proof:
    """Compare the folded model that was written with its original.

    Args:
        folded: the folded model and, in it, the original.
        written: the `.keras` file.
        custom_objects: classes that Keras needs to load the model.
        safe_mode: whether Keras refuses to run code that is in the file.

    Raises:
        UnusableFileError: if neither the whole model can be run here nor each segment.
    """
    if not _is_written(folded, written):
        return Proof("whole", equal=False, float64=np.inf)
    in_segments = _segments_difference(folded)
    apart = in_segments is not None and in_segments.equal
    with tempfile.TemporaryDirectory(prefix="kerasbn-") as folder:
        load = partial(_load, custom_objects=custom_objects, safe_mode=safe_mode)
        try:
            original = _original_outputs(folded, Path(folder), load)
        except _CannotRun as reason:
            if in_segments is None:
                raise UnusableFileError(
                    f"The folded model cannot be verified here. {reason}. Make that "
                    "possible (--import for classes of your own, KERAS_BACKEND for "
                    "another backend), or do without (--no-verify, verify=False)."
                ) from reason
            return _in_parts(folded, in_segments, str(reason))
        try:
            exact, usual = _folded_outputs(
                folded, written, Path(folder), load, original
            )
        except _CannotRun as reason:
            # The original could be run: what cannot is not its equal.
            return Proof("whole", False, np.inf, notes=(str(reason),))
        whole = relative_difference(original.exact, exact)
        # Where float64 cannot be had throughout, it is the segments that prove it.
        short = apart and any(map(may_compute_in_float32, folded.graph.walk()))
        equal = whole <= (SHORT_TOLERANCE if short else TOLERANCE)
        notes: tuple[str, ...] = ()
        if not equal and apart:
            sensitivity = _sensitivity(original, Path(folder), load)
            if equal := whole <= _MANY_ROUNDINGS * sensitivity:
                whole = 0.0
                notes = (
                    "only the folded layers were verified: its outputs change by "
                    f"{sensitivity:.0e} with one rounding",
                )
    return Proof(
        "parts" if notes else "whole",
        equal and (apart or in_segments is None),
        max(whole, in_segments.largest if in_segments else 0.0),
        relative_difference(original.usual, usual),
        relative_difference(original.exact, original.usual),
        notes=notes,
    )


def _in_parts(folded: FoldedModel, found: _InSegments, reason: str) -> Proof:
    """The proof where only the segments could be run."""
    if found.equal and not folded.plan.folds:
        note = f"nothing was folded, and nothing verified: {reason}"
        return Proof(notes=(note,))
    note = f"only the folded layers were verified: {reason}"
    return Proof("parts", found.equal, found.largest, notes=(note,))


class _CannotRun(Exception):  # noqa: N818 - it says why, and is always caught
    """Why the whole model cannot be run here."""


def _is_written(folded: FoldedModel, written: Path) -> bool:
    """Whether the file holds the folded weights bit for bit."""
    with open_archive(written) as archive:
        return all(
            _same_bits(values, [stored.read() for stored in archive.variables(path)])
            for path, values in folded.weights.items()
        )


def _same_bits(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> bool:
    return [(x.dtype, x.shape, x.tobytes()) for x in one] == [
        (x.dtype, x.shape, x.tobytes()) for x in other
    ]


class _InSegments(NamedTuple):
    """The largest difference of any segment, and whether all are proven equal."""

    largest: float
    equal: bool


def _segments_difference(folded: FoldedModel) -> _InSegments | None:
    """What the segments say, each on its own; None if one of them cannot be run."""
    rng = np.random.default_rng(_SEED)
    largest, equal = 0.0, True
    for segment in segments(folded.plan):
        difference = segment_difference(segment, folded, rng)
        if difference is None:
            return None
        short = any(computes_in_float32(call.layer) for call in segment.calls)
        largest = max(largest, difference)
        equal = equal and difference <= (SHORT_TOLERANCE if short else TOLERANCE)
    return _InSegments(largest, equal)


def _sensitivity(
    original: _Original, folder: Path, load: Callable[[Path], Any]
) -> float:
    """How much the original's outputs differ when its inputs differ by one rounding.

    A deep network with odd statistics may be chaotic: what differs by 1e-16 anywhere
    differs by anything at its end.
    """

    def rounded(values: Any) -> Any:
        is_float = values.dtype.kind == "f"
        return np.nextafter(values, np.inf) if is_float else values

    with float64_arithmetic():
        inputs = keras.tree.map_structure(rounded, original.inputs)
        outputs = _predict(load(folder / "exact.keras"), inputs)
    return relative_difference(original.exact, outputs)


class _Original(NamedTuple):
    """Random inputs, and what the original returns: in float64, in its own dtype."""

    inputs: Any
    exact: Any
    usual: Any


def _original_outputs(
    folded: FoldedModel, folder: Path, load: Callable[[Path], Any]
) -> _Original:
    graph, archive = folded.graph, folded.archive
    if keras.backend.backend() == "tensorflow" and _is_channels_first(graph):
        # It refuses some layers there, and computes grouped convolutions wrongly.
        raise _CannotRun("TensorFlow's CPU kernels do not take channels first")
    write_archive(folder / "exact.keras", archive, in_float64(graph.model))
    write_archive(folder / "original.keras", archive, graph.model)
    with float64_arithmetic():
        model = load(folder / "exact.keras")
        try:
            inputs = random_inputs(model, np.random.default_rng(_SEED))
        except ValueError as error:
            raise _CannotRun(f"Nobody can run it: {error}") from error
        exact, again = _predict(model, inputs), _predict(model, inputs)
    if relative_difference(exact, again) > TOLERANCE:
        raise _CannotRun("The model draws random numbers and never repeats itself")
    return _Original(inputs, exact, _predict(load(folder / "original.keras"), inputs))


def _folded_outputs(
    folded: FoldedModel,
    written: Path,
    folder: Path,
    load: Callable[[Path], Any],
    original: _Original,
) -> tuple[Any, Any]:
    """What the folded model returns: in float64, and as it was written."""
    exact = folder / "exact_folded.keras"
    config, weights = in_float64(folded.config), folded.float64_weights
    write_archive(exact, folded.archive, config, weights)
    with float64_arithmetic():
        outputs = _predict(load(exact), original.inputs)
    return outputs, _predict(load(written), original.inputs)


def _is_channels_first(graph: Graph) -> bool:
    return any(
        layer.config.get("data_format") == "channels_first" for layer in graph.walk()
    )


def _load(path: Path, custom_objects: Mapping[str, Any] | None, safe_mode: bool) -> Any:
    try:
        return keras.models.load_model(
            path, custom_objects=custom_objects, compile=False, safe_mode=safe_mode
        )
    except Exception as error:
        # Keras raises whatever an unknown class, a Lambda or odd data leads to.
        raise _CannotRun(f"Keras cannot load it: {_first_sentence(error)}") from error


def _predict(model: Any, inputs: Any) -> Any:
    try:
        # Keras takes several inputs as tensors or as arrays, but not mixed, and makes
        # tensors of texts by itself.
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        outputs = model(tensors, training=False)
    except Exception as error:
        # Not every backend runs every layer: TensorFlow's CPU no channels first.
        raise _CannotRun(f"Keras cannot run it: {_first_sentence(error)}") from error
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def _first_sentence(error: Exception) -> str:
    """What an error says, without the whole configurations that Keras adds to it."""
    cause = str(error).rpartition("Exception encountered: ")[2]
    lines = [line for line in cause.splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).split(". ")[0]
