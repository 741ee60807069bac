"""The statistics of the data at each batch normalization layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import numpy as np

from ..subjects.distance import Distance, distance
from ..subjects.live_model import layers_inside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_FAR_SHIFT, _FAR_RATIO = 0.5, 2.0
_VERY_FAR_SHIFT, _VERY_FAR_RATIO = 1.0, 3.0
_OFF_SHIFT, _OFF_RATIO = 0.15, 1.15


@dataclass(frozen=True)
class Moments:
    """Statistics of a layer's inputs over all data, each of the layer's shape.

    Attributes:
        mean: of all positions of all batches, pooled.
        variance: likewise, by the law of total variance.
        within: the mean of the variances of single batches.
        of_samples: the variance of the means of single samples, which a batch of many
            samples has and a batch of one does not.
        of_batches: the variance of the means of batches.
        batch_size: the number of samples in a batch.
        positions: the number of values in a sample, such as the pixels of an image.
        usual: the variance of the median batch.
    """

    mean: Array
    variance: Array
    within: Array
    of_samples: Array
    of_batches: Array
    batch_size: int
    positions: float
    usual: Array | None = None

    @classmethod
    def pooled(cls, parts: Sequence[Array], batch_size: int) -> Moments:
        """Pool counts, means, variances and variances of sample means of batches."""
        counts, means, variances, between = parts
        weights = counts / max(counts.sum(), 1)

        def average(values: Array) -> Array:
            return np.tensordot(weights, values, 1)

        mean = average(means)
        of_batches = average((means - mean) ** 2)
        within = average(variances)
        return cls(
            mean,
            within + of_batches,
            within,
            average(between) + of_batches,
            of_batches,
            batch_size,
            float(counts.mean()) / batch_size,
            np.median(variances, axis=0),
        )


@dataclass(frozen=True)
class LayerState:
    """A batch normalization layer and the data that reach it.

    Attributes:
        path: its path, such as `inner/bn1`.
        layer: the layer.
        frozen: whether it or a model around it has `trainable=False`.
        mean: its running mean.
        variance: its running variance.
        calls: the inputs of each of its calls when the model is called once.
        data: those of all calls together, in training mode; None if no data reach it.
        still: those with dropout and the like off, as in `kerasbn.recalibrate`.
        distance: the distance of the running statistics from `data`.
        share: the part of the gap that disappears if only its statistics are replaced
            by the data's; None if there is no gap, or too little to say.
    """

    path: str
    layer: Any
    frozen: bool
    mean: Array
    variance: Array
    calls: tuple[Moments, ...]
    data: Moments | None
    still: Moments | None
    distance: Distance | None
    share: float | None = None

    @property
    def momentum(self) -> float | None:
        """The momentum; None for kerasbn's cumulative average."""
        momentum = getattr(self.layer, "momentum", None)
        return None if momentum is None else float(momentum)

    @property
    def epsilon(self) -> float:
        """The epsilon."""
        return float(self.layer.epsilon)

    @property
    def dtype(self) -> str:
        """The dtype of the running statistics."""
        return str(self.layer.moving_mean.dtype)

    @property
    def is_finite(self) -> bool:
        """Whether the running statistics are finite and possible for data."""
        sound = np.isfinite(self.mean).all() and np.isfinite(self.variance).all()
        return bool(sound and (self.variance >= 0).all())

    @property
    def is_far(self) -> bool:
        """Whether the statistics are so far from the data's that it needs a reason."""
        return self._beyond(_FAR_SHIFT, _FAR_RATIO)

    @property
    def is_very_far(self) -> bool:
        """Whether they are farther off than weights move in a few steps."""
        return self._beyond(_VERY_FAR_SHIFT, _VERY_FAR_RATIO)

    @property
    def is_off(self) -> bool:
        """Whether they are so far off that this may be the reason for a gap."""
        return self._beyond(_OFF_SHIFT, _OFF_RATIO)

    def _beyond(self, shift: float, ratio: float) -> bool:
        it = self.distance
        if it is None:
            return False
        return not it.is_finite or it.shift > shift or it.ratio > ratio

    def with_share(self, share: float | None) -> LayerState:
        """Return this layer with its share of the gap."""
        return replace(self, share=share)


def built_layers(
    model: Any, apart: Collection[str] = ()
) -> dict[str, tuple[Any, bool]]:
    """Return the BN layers that have weights, by path, and whether each is frozen.

    A class may give several layers one name; all but the first are numbered.

    Args:
        model: the model.
        apart: the paths of networks in it to leave out.
    """
    import keras

    found: dict[str, tuple[Any, bool]] = {}
    for layer, path, frozen in layers_inside(model):
        if path.partition("/")[0] in apart:
            continue
        if isinstance(layer, keras.layers.BatchNormalization) and layer.built:
            names = (f"{path} ({number})" for number in count(2))
            found[next(n for n in chain([path], names) if n not in found)] = (
                layer,
                frozen,
            )
    return found


def is_timed(model: Any, path: str) -> bool:
    """Whether a layer is within a TimeDistributed, and so called for each step."""
    import keras

    return any(
        isinstance(layer, keras.layers.TimeDistributed) and path.startswith(f"{outer}/")
        for layer, outer, _ in layers_inside(model)
    )


def layer_states(
    layers: Mapping[str, tuple[Any, bool]],
    measured: Mapping[str, list[list[Array]]],
    still: Mapping[str, list[list[Array]]],
    batch_size: int,
) -> list[LayerState]:
    """Combine the layers with the measured statistics.

    Args:
        layers: the layers and whether they are frozen, by path.
        measured: in training mode, see `Runner.statistics`.
        still: likewise in inference mode.
        batch_size: the size of the measured batches.
    """
    states = []
    for path, (layer, frozen) in layers.items():
        mean, variance = (
            array(variable) for variable in (layer.moving_mean, layer.moving_variance)
        )
        calls = tuple(Moments.pooled(moments, batch_size) for moments in measured[path])
        data = pooled(measured[path], batch_size)
        at_rest = pooled(still[path], batch_size)
        away = None
        if data is not None:
            epsilon = float(layer.epsilon)
            away = distance(mean, variance, data.mean, data.variance, epsilon)
        states.append(
            LayerState(path, layer, frozen, mean, variance, calls, data, at_rest, away)
        )
    return states


def pooled(calls: list[list[Array]], batch_size: int) -> Moments | None:
    """Pool all calls of a layer, as one running average does.

    None if no values reach it, or a single one, which has no variance.
    """
    if not calls:
        return None
    parts = [np.concatenate(arrays) for arrays in zip(*calls, strict=True)]
    return Moments.pooled(parts, batch_size) if parts[0].sum() > 1 else None


def assign_data(states: Sequence[LayerState], in_training: bool = False) -> None:
    """Assign the data's statistics to the layers, as `kerasbn.recalibrate` does.

    Args:
        states: the layers.
        in_training: whether with dropout and the like, as training averages them.
    """
    for state in states:
        moments = state.data if in_training else state.still
        if moments is not None:
            _assign(state.layer, moments.mean, moments.variance)


def assign_running(states: Sequence[LayerState]) -> None:
    """Restore the layers' own statistics."""
    for state in states:
        _assign(state.layer, state.mean, state.variance)


def _assign(layer: Any, mean: Array, variance: Array) -> None:
    layer.moving_mean.assign(mean.astype("float32"))
    layer.moving_variance.assign(variance.astype("float32"))


def array(variable: Any) -> Array:
    """Return the value of a variable, in float64."""
    from keras import ops

    value = ops.cast(variable.value, "float32")
    return np.asarray(ops.convert_to_numpy(value), np.float64)


def paths_of(layers: Iterable[LayerState]) -> tuple[str, ...]:
    """Return the paths of the layers."""
    return tuple(layer.path for layer in layers)
