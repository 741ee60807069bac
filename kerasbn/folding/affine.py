"""Batch normalization at inference as an affine map: a scale and a shift per index.

    y = s * x + t        s = gamma / sqrt(variance + epsilon)        t = beta - mean * s

(Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167, algorithm 2, step 11.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Float64 = NDArray[np.float64]


class Affine(NamedTuple):
    """The map x -> scale * x + shift of one sample of a tensor.

    Attributes:
        scale: float64, broadcastable to one sample of the tensor (its shape without
            the batch) by NumPy's rule, which aligns shapes at their end: (C,) is one
            scale per channel of a channels-last tensor, whatever its rank.
        shift: the same.
    """

    scale: Float64
    shift: Float64

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes along which the map differs, counted from the end, ascending."""
        return tuple(
            axis
            for axis in range(-max(self.scale.ndim, self.shift.ndim), 0)
            if max(_size(self.scale, axis), _size(self.shift, axis)) > 1
        )

    @property
    def has_shift(self) -> bool:
        """Whether the map does more than scale."""
        return bool(np.any(self.shift))

    @property
    def is_increasing(self) -> bool:
        """Whether no scale is negative, so that the order of values is kept."""
        return bool((self.scale >= 0).all())

    @property
    def is_finite(self) -> bool:
        """Whether every scale and shift is a number."""
        return bool(np.isfinite(self.scale).all() and np.isfinite(self.shift).all())

    @property
    def is_invertible(self) -> bool:
        """Whether no scale is 0."""
        return bool(np.all(self.scale))

    def equals(self, other: Affine) -> bool:
        """Whether both maps have the same numbers."""
        return np.array_equal(self.scale, other.scale) and np.array_equal(
            self.shift, other.shift
        )

    def after(self, first: Affine) -> Affine:
        """The map that computes `first` and then this one."""
        return Affine(self.scale * first.scale, self.scale * first.shift + self.shift)

    def inverse(self) -> Affine:
        """The map that undoes this one, which must be invertible."""
        return Affine(1 / self.scale, -self.shift / self.scale)

    def each(self, function: Callable[[Float64], Float64]) -> Affine:
        """Return the map with `function` applied to scale and to shift."""
        return Affine(function(self.scale), function(self.shift))

    def simplified(self) -> Affine:
        """Return this map with size 1 along axes where it does not differ."""
        return self.each(_simplified)


IDENTITY = Affine(np.ones(()), np.zeros(()))
"""The map that changes nothing."""


def batch_norm_affine(
    config: Mapping[str, Any],
    variables: Mapping[str, NDArray[Any]],
    axes: Sequence[int],
) -> Affine:
    """Return the map that a BN layer computes at inference, in float64.

    Args:
        config: the layer's configuration; its `epsilon` is used.
        variables: `moving_mean` and `moving_variance`, and `gamma` and `beta` where
            the layer has them, of the shape of the kept axes.
        axes: the kept axes, ascending, counted from the end of the tensor.

    Returns:
        The affine map. It is not finite where the variance plus epsilon is not
            positive or a variable is not finite.
    """
    wide = {name: values.astype(np.float64) for name, values in variables.items()}
    mean, variance = wide["moving_mean"], wide["moving_variance"]
    with np.errstate(all="ignore"):
        scale = wide.get("gamma", 1.0) / np.sqrt(variance + epsilon_of(config))
        shift = wide.get("beta", 0.0) - mean * scale
    sizes = dict(zip(axes, mean.shape, strict=True))
    shape = [sizes.get(axis, 1) for axis in range(min(axes), 0)]
    return Affine(scale.reshape(shape), shift.reshape(shape))


def epsilon_of(config: Mapping[str, Any]) -> float:
    """Return a BN layer's epsilon: Keras' default if its configuration has none."""
    epsilon: float = config.get("epsilon", 1e-3)
    return epsilon


def batch_norm_weights(
    config: Mapping[str, Any],
    variables: Mapping[str, NDArray[Any]],
    axes: Sequence[int],
    affine: Affine,
) -> tuple[Float64, Float64]:
    """Return the `gamma` and `beta` that make a BN layer compute `affine`.

    It keeps its mean and variance. Both are float64, of the shape of the kept axes.

    Args:
        config: as for `batch_norm_affine`.
        variables: likewise.
        axes: likewise.
        affine: over axes among `axes`.
    """
    mean = variables["moving_mean"].astype(np.float64)
    variance = variables["moving_variance"].astype(np.float64)
    scale = along(affine.scale, axes, mean.shape)
    shift = along(affine.shift, axes, mean.shape)
    return scale * np.sqrt(variance + epsilon_of(config)), shift + mean * scale


def along(values: Float64, axes: Sequence[int], sizes: Sequence[int]) -> Float64:
    """Reduce values to an array that has just these axes.

    Args:
        values: aligned at its end, like a scale of `Affine`; constant along other axes.
        axes: which axes to keep, ascending, counted from the end.
        sizes: their sizes; an axis of size 1 is stretched.

    Raises:
        ValueError: if the sizes do not match.
    """
    lead = -min(axes, default=0) - values.ndim
    full = values.reshape((1,) * max(0, lead) + values.shape)
    others = [axis for axis in range(-full.ndim, 0) if axis not in axes]
    return np.broadcast_to(full.squeeze(tuple(others)), tuple(sizes))


def _size(values: Float64, axis: int) -> int:
    return values.shape[axis] if -axis <= values.ndim else 1


def _simplified(values: Float64) -> Float64:
    for axis in range(values.ndim):
        first = values.take([0], axis)
        if np.array_equal(np.broadcast_to(first, values.shape), values):
            values = first
    return values
