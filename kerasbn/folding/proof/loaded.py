"""A model that is loaded and run on the proof's inputs, in its own precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasbn.folding.proof.float64 import relative_difference
from kerasbn.folding.proof.inputs import random_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ROUNDING = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


class Loaded:
    """A live model with inputs and its outputs for them.

    Attributes:
        model: the model.
        inputs: random inputs in its structure and dtypes.
        named_inputs: the inputs by the names of the model's inputs.
        outputs: the outputs for them, flat.
    """

    def __init__(
        self,
        path: Path,
        custom_objects: Mapping[str, Any] | None,
        safe_mode: bool,
        seed: int,
    ) -> None:
        model = keras.models.load_model(
            path, custom_objects=custom_objects, compile=False, safe_mode=safe_mode
        )
        self._run(model, seed)

    @classmethod
    def of(cls, model: Any, seed: int) -> Loaded:
        """Run a model that is already live."""
        loaded = cls.__new__(cls)
        loaded._run(model, seed)
        return loaded

    def _run(self, model: Any, seed: int) -> None:
        wanted = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        inputs = random_inputs(model, np.random.default_rng(seed))
        self.model = model
        self.inputs = keras.tree.map_structure(
            lambda values, spec: values.astype(_dtype(spec)), inputs, wanted
        )
        names = [spec.name for spec in keras.tree.flatten(wanted)]
        flat = keras.tree.flatten(self.inputs)
        self.named_inputs = dict(zip(names, flat, strict=True))
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, self.inputs)
        outputs = keras.tree.flatten(model(tensors, training=False))
        self.outputs = [keras.ops.convert_to_numpy(output) for output in outputs]

    @property
    def precision(self) -> float:
        """The relative size of a rounding in the coarsest dtype that the model uses."""
        dtypes = {str(layer.compute_dtype) for layer in self.model._flatten_layers()}
        return max(_ROUNDING.get(dtype, 0.0) for dtype in {"float32", *dtypes})


def _dtype(spec: Any) -> Any:
    return object if str(spec.dtype) == "string" else str(spec.dtype)


def difference(expected: list[Any], received: list[Any]) -> float:
    """Return the largest relative difference of outputs; infinite if shapes differ."""
    if len(expected) != len(received):
        return float("inf")
    return relative_difference(expected, received)
