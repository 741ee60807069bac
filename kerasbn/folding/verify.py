"""The proof that folding changed nothing but rounding.

The noise of float32 differs from model to model, from 1e-7 to 3e-3, so no fixed
tolerance tells a wrong fold from a right one there. In float64 one does:

1. Every layer that took BN in is compared, alone and in float64, with the original
   layer followed by these BN. No softmax at a model's end can hide a difference.
2. The whole folded model is compared with the whole original in float64.
3. What was written is compared, bit for bit, with the rounded float64 weights.

Beside it stands the difference in the model's own precision, and the noise that the
original has there by itself.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasbn.archive import open_archive, write_archive
from kerasbn.folding.float64 import (
    float64_arithmetic,
    in_float64,
    relative_difference,
)
from kerasbn.folding.inputs import random_inputs, random_layer_input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from kerasbn.folding.apply import Absorption, FoldedModel
    from kerasbn.graph import Layer

TOLERANCE = 1e-9
"""The largest relative difference in float64 that counts as equal."""

_SEED = 1502_03167


@dataclass(frozen=True)
class Verification:
    """What was measured; None where it could not be.

    Attributes:
        float64: the largest relative difference in float64, of layers and outputs.
        float32: that of the model's outputs in its own precision.
        noise: that of the original in its own precision from itself in float64.
        whole: whether the whole model was compared, not its folded layers alone.
        note: why something could not be compared.
    """

    float64: float
    float32: float | None
    noise: float | None
    whole: bool
    note: str | None = None

    @property
    def equal(self) -> bool:
        """Whether the folded model is proven equal."""
        return self.float64 <= TOLERANCE


def verify(
    folded: FoldedModel,
    written: Path,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Verification:
    """Compare the folded model that was written with its original.

    Args:
        folded: the folded model and, in it, the original.
        written: the `.keras` file.
        custom_objects: classes that Keras needs to load the model.
        safe_mode: whether Keras refuses to run code that is in the file.
    """
    difference = 0.0 if _is_written(folded, written) else np.inf
    difference = max(difference, _layers_difference(folded))
    try:
        outputs = _outputs(folded, written, custom_objects, safe_mode)
    except _NotLoadable as reason:
        return Verification(difference, None, None, whole=False, note=str(reason))
    exact, exact_folded, usual, usual_folded = outputs
    return Verification(
        max(difference, relative_difference(exact, exact_folded)),
        relative_difference(usual, usual_folded),
        relative_difference(exact, usual),
        whole=True,
    )


class _NotLoadable(Exception):  # noqa: N818 - it says why, and is always caught
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


def _layers_difference(folded: FoldedModel) -> float:
    """The largest difference of any layer that took BN in, on its own."""
    rng = np.random.default_rng(_SEED)
    shapes = {
        node.layer.path: node.input_shape
        for graph in folded.graph.graphs()
        for node in graph.nodes
    }
    differences = [0.0]
    with float64_arithmetic():
        for path, absorption in folded.absorptions.items():
            kernel = folded.archive.variables(path)[0].shape
            x = random_layer_input(absorption.layer, kernel, shapes[path], rng)
            if x is not None:
                differences.append(_layer_difference(absorption, folded, x))
    return max(differences)


def _layer_difference(
    absorption: Absorption, folded: FoldedModel, x: NDArray[np.float64]
) -> float:
    layer = absorption.layer
    expected: Any = x
    for original in (layer, *(fold.batch_norm for fold in absorption.folds)):
        stored = [v.read() for v in folded.archive.variables(original.path)]
        expected = _run(original, original.config, stored, expected)
    new = absorption.variables(folded.archive)
    received = _run(layer, absorption.config, new, x)
    return relative_difference(
        keras.ops.convert_to_numpy(expected), keras.ops.convert_to_numpy(received)
    )


def _run(
    layer: Layer, config: Mapping[str, Any], variables: list[NDArray[Any]], x: Any
) -> Any:
    """The output of a layer of its own, in float64, at inference."""
    entry = {"module": "keras.layers", "registered_name": None, **layer.entry.raw}
    entry = {key: value for key, value in entry.items() if key != "build_config"}
    running = keras.layers.deserialize(in_float64({**entry, "config": dict(config)}))
    running.build(x.shape)
    for variable, values in zip(running.weights, variables, strict=False):
        variable.assign(values.astype(np.float64))
    return running(x)


def _outputs(
    folded: FoldedModel,
    written: Path,
    custom_objects: Mapping[str, Any] | None,
    safe_mode: bool,
) -> list[Any]:
    """What original and folded model return, in float64 and then in their own dtype."""
    graph, archive = folded.graph, folded.archive
    with tempfile.TemporaryDirectory(prefix="kerasbn-") as folder:
        original, exact, exact_folded = (
            Path(folder) / f"{name}.keras" for name in ("original", "exact", "folded")
        )
        write_archive(original, archive, graph.model)
        write_archive(exact, archive, in_float64(graph.model))
        write_archive(
            exact_folded, archive, in_float64(folded.config), folded.float64_weights
        )
        inputs: Any = None
        outputs = []
        for path in (exact, exact_folded, original, written):
            own_precision = path in (original, written)
            if own_precision:
                model = _load(path, custom_objects, safe_mode)
                outputs.append(_predict(model, inputs))
                continue
            with float64_arithmetic():
                model = _load(path, custom_objects, safe_mode)
                if inputs is None:
                    inputs = random_inputs(model, np.random.default_rng(_SEED))
                outputs.append(_predict(model, inputs))
    return outputs


def _load(path: Path, custom_objects: Mapping[str, Any] | None, safe_mode: bool) -> Any:
    try:
        return keras.models.load_model(
            path, custom_objects=custom_objects, compile=False, safe_mode=safe_mode
        )
    except Exception as error:
        # Keras raises whatever an unknown class, a Lambda or odd data leads to.
        reason = str(error).split(". ")[0].splitlines()[0]
        raise _NotLoadable(f"Keras cannot load the model here: {reason}") from error


def _predict(model: Any, inputs: Any) -> Any:
    outputs = model(inputs, training=False)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)
