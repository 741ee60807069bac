"""Random inputs that fit a model's or a layer's input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasbn.folding.absorb import ABSORBERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kerasbn.graph import Layer

    Shape = tuple[int | None, ...]

_BATCH = 3
# Open lengths: short for a sequence, for an image enough for five halvings.
_SEQUENCE, _IMAGE = 16, 96


def random_inputs(model: Any, rng: np.random.Generator) -> Any:
    """Inputs of the structure, shapes and dtypes that a model asks for.

    Floats are standard normal, in float32 or wider, integers are 0 or 1, because a
    vocabulary has at least these, and texts are one of two words.
    """
    # A Sequential model that was loaded has `inputs`, but no `input`.
    wanted = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    return keras.tree.map_structure(lambda spec: _random(spec, rng), wanted)


def _random(spec: Any, rng: np.random.Generator) -> NDArray[Any]:
    length = _IMAGE if len(spec.shape) > 3 else _SEQUENCE
    shape = [_BATCH, *(size or length for size in spec.shape[1:])]
    dtype = str(spec.dtype)
    if dtype == "string":
        return rng.choice(np.asarray(["the", "layer"]), shape)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if "int" in dtype:
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.standard_normal(shape)


def random_layer_input(
    layer: Layer,
    kernel: tuple[int, ...],
    shape: Shape | None,
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """A small float64 input for an absorbing layer, channels last.

    Args:
        layer: of a class in `ABSORBERS`.
        kernel: the shape of its first kernel.
        shape: the shape of its input in the model, where it is known.
        rng: where the values come from.

    Returns:
        The input; None if its shape is not known.
    """
    kind, config = str(layer.kind), layer.config
    spatial = ABSORBERS[kind].spatial
    if kind == "EinsumDense":
        if shape is None:
            return None
        return rng.standard_normal([_BATCH, *(size or 3 for size in shape[1:])])
    if spatial is None:
        middle = [2] * (len(shape) - 2 if shape else 0)
        return rng.standard_normal([_BATCH, *middle, kernel[0]])
    channels = kernel[-1] if kind.endswith("Transpose") else kernel[-2]
    channels *= config.get("groups") or 1 if kind.startswith("Conv") else 1
    sizes = [
        (extent - 1) * dilation + 1 + stride
        for extent, dilation, stride in zip(
            kernel[:spatial],
            _per_axis(config.get("dilation_rate", 1), spatial),
            _per_axis(config.get("strides", 1), spatial),
            strict=True,
        )
    ]
    return rng.standard_normal([_BATCH, *sizes, channels])


def _per_axis(value: Any, axes: int) -> list[int]:
    return list(value) if isinstance(value, list | tuple) else [value] * axes
