"""The whole model, before and after folding, as Keras loads and runs it."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from kerasbn.archive import write_archive
from kerasbn.errors import UnusableFileError
from kerasbn.folding.proof.float64 import (
    TOLERANCE,
    float64_arithmetic,
    in_float64,
    relative_difference,
)
from kerasbn.folding.proof.initial import without_drawing
from kerasbn.folding.proof.inputs import random_inputs
from kerasbn.graph import unknown_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kerasbn.folding.apply import FoldedModel
    from kerasbn.graph import Graph, Trust, Unknown

_SEED = 1502_03167


class Whole(NamedTuple):
    """The differences between the outputs of the folded model and the original's.

    Attributes:
        reason: why nothing could be compared; None if it could.
        float64: the largest relative difference in float64.
        float32: the largest in the model's own precision.
        noise: the difference of the original in its own precision from itself in
            float64.
        sensitivity: the change of the original's outputs in float64 when each of its
            inputs changes by one rounding; 0.0 if it is not needed.
    """

    reason: str | None = None
    float64: float = np.inf
    float32: float | None = None
    noise: float | None = None
    sensitivity: float = 0.0


def compare_whole(
    folded: FoldedModel,
    written: Path,
    trust: Trust,
    custom_objects: Mapping[str, Any] | None,
) -> Whole:
    """Load and run the original and the written model.

    Args:
        folded: the folded model and, in it, the original.
        written: the `.keras` file.
        trust: code that may be run besides Keras' own; if the model has any other,
            nothing of it is loaded.
        custom_objects: classes that Keras needs to load the model.

    Raises:
        UnusableFileError: if Keras cannot load or run the written model.
    """
    unknown = unknown_parts(folded.graph.model, trust)
    _check_there(unknown, folded)
    if unknown:
        others = len({cls.layer for cls in unknown} - {unknown[0].layer})
        more = f", and {others} more like it" if others else ""
        return Whole(
            f"{unknown[0]}, which is not run unless asked for (--import for classes of "
            f"your own, --trust for code in the file){more}"
        )
    load = partial(_load, custom_objects=custom_objects, safe_mode=not trust.everything)
    try:
        model = load(written)
    except _CannotRun as reason:
        raise UnusableFileError(
            f"The folded model was not written, because {reason}. Received: "
            f"{folded.archive.path}. Check whether Keras loads that file, perhaps on "
            "another backend (KERAS_BACKEND), or skip the proof (--no-verify, "
            "verify=False)."
        ) from reason
    with tempfile.TemporaryDirectory(prefix="kerasbn-") as folder:
        try:
            original = _original_outputs(folded, Path(folder), load)
        except _CannotRun as reason:
            return Whole(str(reason))
        try:
            usual = _predict(model, original.inputs)
            del model
            exact = _folded_outputs(folded, Path(folder), load, original)
        except _CannotRun as reason:
            # The original could be run: a model that cannot is not its equal.
            raise UnusableFileError(
                f"The folded model was not written, because {reason}, though Keras "
                f"runs the original. Received: {folded.archive.path}. Please report "
                "this."
            ) from reason
        difference = relative_difference(original.exact, exact)
        return Whole(
            None,
            difference,
            relative_difference(original.usual, usual),
            relative_difference(original.exact, original.usual),
            0.0
            if difference <= TOLERANCE
            else _sensitivity(original, Path(folder), load),
        )


def _check_there(unknown: Sequence[Unknown], folded: FoldedModel) -> None:
    """Check that the installed Keras has the classes that the model names as Keras'.

    Raises:
        UnusableFileError: if it does not; nothing is imported to find out.
    """
    for cls in unknown:
        module = sys.modules.get(cls.module)
        if module is not None and not hasattr(module, cls.name) and cls.name:
            raise UnusableFileError(
                f"The folded model was not written, because Keras {keras.__version__} "
                f"cannot load it: {cls.module} has no {cls.name}, the class of "
                f"`{cls.layer}`. Received: {folded.archive.path}. Another version of "
                "Keras may have it; or skip the proof (--no-verify, verify=False)."
            )


class _CannotRun(Exception):  # noqa: N818 - it says why, and is always caught
    """The whole model cannot be run here; says why."""


class _Original(NamedTuple):
    """Random inputs, and the original's outputs: in float64 and in its own dtype."""

    inputs: Any
    exact: Any
    usual: Any


def _original_outputs(
    folded: FoldedModel, folder: Path, load: Callable[[Path], Any]
) -> _Original:
    graph, archive = folded.graph, folded.archive
    if keras.backend.backend() == "tensorflow" and _is_channels_first(graph):
        # It rejects some layers there, and computes grouped convolutions wrongly.
        raise _CannotRun("TensorFlow's CPU kernels do not support channels first")
    model = without_drawing(graph.model)
    write_archive(folder / "exact.keras", archive, in_float64(model))
    write_archive(folder / "original.keras", archive, model)
    with float64_arithmetic():
        exact_model = load(folder / "exact.keras")
        try:
            inputs = random_inputs(exact_model, np.random.default_rng(_SEED))
        except ValueError as error:
            raise _CannotRun(f"it cannot be run: {error}") from error
        exact, again = (_predict(exact_model, inputs) for _ in range(2))
    if relative_difference(exact, again) > TOLERANCE:
        raise _CannotRun("the model draws random numbers and never repeats itself")
    return _Original(inputs, exact, _predict(load(folder / "original.keras"), inputs))


def _folded_outputs(
    folded: FoldedModel,
    folder: Path,
    load: Callable[[Path], Any],
    original: _Original,
) -> Any:
    """Return the outputs of the folded model in float64."""
    exact = folder / "exact_folded.keras"
    config = in_float64(without_drawing(folded.config))
    write_archive(exact, folded.archive, config, folded.float64_weights)
    with float64_arithmetic():
        return _predict(load(exact), original.inputs)


def _sensitivity(
    original: _Original, folder: Path, load: Callable[[Path], Any]
) -> float:
    """Return how much the original's outputs change when its inputs do by one rounding.

    A deep network with odd statistics may be chaotic: a difference of 1e-16 anywhere
    can become any difference at its end.
    """

    def rounded(values: Any) -> Any:
        is_float = values.dtype.kind == "f"
        return np.nextafter(values, np.inf) if is_float else values

    with float64_arithmetic():
        inputs = keras.tree.map_structure(rounded, original.inputs)
        outputs = _predict(load(folder / "exact.keras"), inputs)
    return relative_difference(original.exact, outputs)


def _is_channels_first(graph: Graph) -> bool:
    configs = [layer.config for layer in graph.walk()]
    configs += [e.config for layer in graph.walk() if (e := layer.entry.wrapped)]
    return any(config.get("data_format") == "channels_first" for config in configs)


def _load(path: Path, custom_objects: Mapping[str, Any] | None, safe_mode: bool) -> Any:
    try:
        return keras.models.load_model(
            path, custom_objects=custom_objects, compile=False, safe_mode=safe_mode
        )
    except Exception as error:
        # Keras raises errors of any kind for an unknown class, a Lambda or odd data.
        raise _CannotRun(f"Keras cannot load it: {_first_sentence(error)}") from error


def _predict(model: Any, inputs: Any) -> Any:
    try:
        # Keras accepts several inputs as tensors or as arrays, but not mixed, and
        # converts strings to tensors itself.
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        outputs = model(tensors, training=False)
    except Exception as error:
        # Not every backend runs every layer: TensorFlow on CPU has no channels first.
        raise _CannotRun(f"Keras cannot run it: {_first_sentence(error)}") from error
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def _first_sentence(error: Exception) -> str:
    """Return an error's message without the configurations that Keras adds to it."""
    cause = str(error).rpartition("Exception encountered: ")[2]
    lines = [line for line in cause.splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).split(". ")[0]
