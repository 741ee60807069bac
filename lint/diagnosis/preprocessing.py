"""Usual kinds of preprocessing, and which of them the running statistics are of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..subjects.live_model import layers_inside
from . import signs
from .layers import layer_states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from .batches import Batch
    from .layers import LayerState
    from .runner import Mode, Runner

    Array = NDArray[Any]

_BATCHES = 8  # for a trial
_SURELY_BYTES = 2.0  # the largest value is above, if not all are shares of 255
_MUCH_NEARER = 2.0
_ADAPTED = 0.2  # of the distance that others may have
_CLEARLY = 0.7  # of the distance with what is more usual
_LEFT = 0.05  # of the initial values in the statistics, at most


@dataclass(frozen=True)
class Preprocessing:
    """A kind of preprocessing.

    Attributes:
        code: the expression for the inputs `x`, as a user writes it.
        function: the same, for an array.
        adapts: whether it is made of the data themselves, so that it often nearly fits.
        needs_proof: whether statistics alone do not show it, and the loss has to.
    """

    code: str
    function: Callable[[Array], Array]
    adapts: bool = False
    needs_proof: bool = False

    def of(self, batches: Sequence[Batch]) -> list[Batch]:
        """Preprocess the inputs of batches."""
        import keras

        def applied(leaf: Array) -> Array:
            return np.asarray(self.function(leaf.astype("float32")), np.float32)

        return [
            replace(batch, x=keras.tree.map_structure(applied, batch.x))
            for batch in batches
        ]


def fitting_preprocessing(
    runner: Runner,
    mode: Mode,
    batches: Sequence[Batch],
    states: Sequence[LayerState],
    steps: int | None,
) -> Preprocessing | None:
    """Find what gives these data the running statistics, if these are off.

    If nothing usual does so for all layers, the nearest is returned as one that needs
    proof: after few steps, initial values are left in the statistics, and later layers
    lag. None if nothing comes nearer than the data as they are.
    """
    if not any(state.is_off for state in states) or any(map(signs.is_initial, states)):
        return None
    is_early = any(_is_early(state, steps) for state in states)
    batches = batches[:_BATCHES]
    nearest = _total(states) / _MUCH_NEARER
    found, almost, near = None, None, _total(states)
    for candidate in _candidates(batches):
        try:
            measured = runner.statistics(mode, candidate.of(batches))
        except Exception:  # The user's code may do anything.
            continue
        layers = {state.path: (state.layer, state.frozen) for state in states}
        tried = layer_states(layers, measured, measured, batches[0].samples)
        total = _total(tried)
        enough = nearest * _ADAPTED if candidate.adapts else nearest
        is_far = is_early or any(state.is_far for state in tried)
        if total < enough and not is_far:
            nearest, found = _CLEARLY * total, candidate
        elif total < near:
            near, almost = total, replace(candidate, needs_proof=True)
    return found or almost


def looks_up(model: Any) -> bool:
    """Whether inputs may be indices of embeddings, where other numbers are invalid."""
    import keras

    embedding = keras.layers.Embedding
    return any(isinstance(layer, embedding) for layer, _, _ in layers_inside(model))


def _is_early(state: LayerState, steps: int | None) -> bool:
    """Whether initial values are left in the running statistics."""
    left = signs.left_by_steps(state, steps)
    return left is not None and left > _LEFT


def _total(states: Sequence[LayerState]) -> float:
    return sum(signs.total(state.distance) for state in states if state.distance)


def _candidates(batches: Sequence[Batch]) -> Iterator[Preprocessing]:
    """Yield what is usual for inputs of this range and shape, the most usual first."""
    import keras

    inputs = [keras.tree.flatten(batch.x) for batch in batches]
    if not all(map(_is_one_array, inputs)):
        return
    if len({leaf.shape[1:] for (leaf,) in inputs}) != 1:
        return  # Sequences may be longer in one batch than in another.
    x = np.concatenate([leaf for (leaf,) in inputs])
    if x.dtype.kind not in "fiu" or not x.size:
        return
    scaled = list(_scaled(float(x.min()), float(x.max())))
    yield from scaled
    axis = _axis_of_colours(x)
    if axis is not None:
        for plain in (Preprocessing("x", lambda x: x), *scaled):
            yield _reversed(plain, axis)
        yield from _of_imagenet(float(x.min()), float(x.max()), axis)
    yield from _standardized(x)


def _is_one_array(leaves: Sequence[Any]) -> bool:
    return len(leaves) == 1 and isinstance(leaves[0], np.ndarray)


def _scaled(low: float, high: float) -> Iterator[Preprocessing]:
    """Yield other ranges for values that seem to be bytes, or in [0, 1] or [-1, 1]."""
    if low >= 0 and high > _SURELY_BYTES:
        yield Preprocessing("x / 255", lambda x: x / 255)
        yield Preprocessing("x / 127.5 - 1", lambda x: x / 127.5 - 1)
    elif low >= 0:
        yield Preprocessing("255 * x", lambda x: 255 * x)
        yield Preprocessing("2 * x - 1", lambda x: 2 * x - 1)
    elif low >= -1 and high <= 1:
        yield Preprocessing("127.5 * (x + 1)", lambda x: 127.5 * (x + 1))
        yield Preprocessing("(x + 1) / 2", lambda x: (x + 1) / 2)


def _as_bytes(low: float, high: float) -> Preprocessing | None:
    """Return what gives these values the range of bytes; None if it is unclear."""
    if low >= 0 and high > _SURELY_BYTES:
        return Preprocessing("x", lambda x: x)
    return next(_scaled(low, high), None)


def _axis_of_colours(x: Array) -> int | None:
    """Return the axis of three colours; None for data that are no such images."""
    if x.ndim != 4:
        return None
    return next((axis for axis in (3, 1) if x.shape[axis] == 3), None)


def _reversed(plain: Preprocessing, axis: int) -> Preprocessing:
    """Return the same with colours in reverse order, as OpenCV reads them."""
    index = "..., ::-1" if axis == 3 else ":, ::-1"
    code = plain.code if plain.code == "x" else f"({plain.code})"
    return Preprocessing(f"{code}[{index}]", lambda x: np.flip(plain.function(x), axis))


def _of_imagenet(low: float, high: float, axis: int) -> Iterator[Preprocessing]:
    """Yield the preprocessing of most pretrained networks of `keras.applications`."""
    import keras

    values = _as_bytes(low, high)
    if values is None:
        return
    where = "channels_last" if axis == 3 else "channels_first"
    for mode in ("caffe", "torch"):
        options = f'mode="{mode}"' + (f', data_format="{where}"' * (axis == 1))

        def function(x: Array, values: Preprocessing = values, mode: str = mode) -> Any:
            return keras.applications.imagenet_utils.preprocess_input(
                np.array(values.function(x)), data_format=where, mode=mode
            )

        yield Preprocessing(
            "keras.applications.imagenet_utils.preprocess_input("
            f"{values.code}, {options})",
            function,
        )


def _standardized(x: Array) -> Iterator[Preprocessing]:
    """Yield scalings by the data themselves, of each feature or of all pixels."""
    axis = 0 if x.ndim == 2 else None
    of = "0" if axis == 0 else ""
    x = x.astype("float64")
    mean, deviation = x.mean(axis), x.std(axis)
    low, extent = x.min(axis), x.max(axis) - x.min(axis)
    deviation, extent = (
        np.where(spread > 0, spread, 1) for spread in (deviation, extent)
    )
    yield Preprocessing(
        f"(x - x.mean({of})) / x.std({of})", lambda x: (x - mean) / deviation, True
    )
    yield Preprocessing(
        f"(x - x.min({of})) / (x.max({of}) - x.min({of}))",
        lambda x: (x - low) / extent,
        True,
    )
