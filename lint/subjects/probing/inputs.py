"""Small random batches that fit a model's inputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# A batch needs at least two samples for statistics; a model that divides its batches
# may need more.
_BATCH, _LARGER_BATCH = 2, 16
# Lengths for open dimensions by the rank of the input: first cheap ones, then some that
# are large enough for deep networks without padding.
_LENGTHS = ({3: 16, 4: 64, 5: 16}, {3: 256, 4: 224, 5: 64})
_OTHER_LENGTH = 4
# Larger images and volumes are tried at this size first, if a graph accepts it.
_CHEAP_LENGTH = 96


@dataclass(frozen=True)
class _Spec:
    """A tensor of an input; open dimensions are None, the first is the batch."""

    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Call:
    """The arguments of a call of the model.

    `smaller` says that they are smaller than the declared inputs of the model.
    """

    arguments: tuple[Any, ...]
    named: dict[str, Any]
    smaller: bool = False


def possible_calls(model: Any) -> Iterator[Call]:
    """Yield calls to try until one is accepted; none if no input shape is known.

    Inputs that the model declares have its shapes and dtypes. A subclassed model
    remembers the shapes that it was built for, but not the dtypes: floats are tried
    first, then integers. All numbers are in [0, 2), integers 0 or 1, since every
    vocabulary has at least two entries; strings are one of two words.
    """
    import keras

    def call(
        specs: Any, lengths: dict[int, int], smaller: bool = False, batch: int = _BATCH
    ) -> Call:
        rng = np.random.default_rng(0)
        array = partial(_random, lengths=lengths, samples=batch, rng=rng)
        arguments, named = keras.tree.map_structure(array, specs)
        return Call(tuple(arguments), named, smaller)

    for specs in _specs(model):
        cheap = keras.tree.map_structure(_smaller, specs)
        if getattr(model, "inputs", None) and cheap != specs:
            yield call(cheap, _LENGTHS[0], smaller=True)
        for lengths in _LENGTHS:
            yield call(specs, lengths)
            if not _has_open_length(keras.tree.flatten(specs)):
                break
        yield call(specs, _LENGTHS[0], batch=_LARGER_BATCH)


def _specs(model: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield specs for the arguments of a call, positional and named."""
    import keras

    if getattr(model, "inputs", None):
        # A Sequential model that was loaded has `inputs`, but no `input`.
        is_sequential = isinstance(model, keras.Sequential)
        wanted = model.inputs[0] if is_sequential else model.input
        if all(leaf.shape is not None for leaf in keras.tree.flatten(wanted)):
            yield (keras.tree.map_structure(_spec_of, wanted),), {}
        return
    shapes = model.get_build_config() or {}
    for dtype in ("float32", "int32"):
        if "input_shape" in shapes:
            yield (_built_for(shapes["input_shape"], dtype),), {}
        elif shapes.get("shapes_dict"):
            named = {
                name.removesuffix("_shape"): _built_for(shape, dtype)
                for name, shape in shapes["shapes_dict"].items()
            }
            yield (), named


def _spec_of(tensor: Any) -> _Spec:
    return _Spec(tuple(tensor.shape), str(tensor.dtype))


def _built_for(shape: Any, dtype: str) -> Any:
    """Replace each shape in a nest by specs; the batch may be of any size."""
    if isinstance(shape, dict):
        return {key: _built_for(size, dtype) for key, size in shape.items()}
    if all(size is None or isinstance(size, int) for size in shape):
        return _Spec((None, *shape[1:]), dtype)
    return type(shape)(_built_for(size, dtype) for size in shape)


def _smaller(spec: _Spec) -> _Spec:
    if len(spec.shape) < 4:
        return spec
    batch, *sizes = spec.shape
    sizes = [size and min(size, _CHEAP_LENGTH) for size in sizes]
    return _Spec((batch, *sizes), spec.dtype)


def _has_open_length(specs: list[_Spec]) -> bool:
    return any(None in spec.shape[1:] for spec in specs)


def _random(
    spec: _Spec, lengths: dict[int, int], samples: int, rng: np.random.Generator
) -> NDArray[Any]:
    batch, *sizes = spec.shape or (None,)
    length = lengths.get(len(spec.shape), _OTHER_LENGTH)
    shape = [batch or samples, *(size or length for size in sizes)]
    if spec.dtype == "string":
        return rng.choice(np.asarray(["the", "layer"]), shape)
    if spec.dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if "int" in spec.dtype:
        return rng.integers(0, 2, shape).astype(spec.dtype)
    return rng.uniform(0, 2, shape).astype("float32")
