"""Batch normalization at inference is an affine map, one scale and shift per index.

    y = s * x + t        s = gamma / sqrt(variance + epsilon)        t = beta - mean * s

(Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167, algorithm 2, step 11.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Float64 = NDArray[np.float64]


class Affine(NamedTuple):
    """A scale and a shift for each kept index of a tensor.

    Attributes:
        scale: float64, of the shape of the kept axes.
        shift: float64, of the same shape.
        axes: the kept axes of the tensor, ascending, counted from its end: (-1,) is
            one pair per channel of a channels-last tensor.
    """

    scale: Float64
    shift: Float64
    axes: tuple[int, ...]

    @property
    def is_finite(self) -> bool:
        """Whether every scale and shift is a number."""
        return bool(np.isfinite(self.scale).all() and np.isfinite(self.shift).all())


def batch_norm_affine(
    config: Mapping[str, Any],
    variables: Mapping[str, NDArray[Any]],
    axes: tuple[int, ...],
) -> Affine:
    """What a BN layer does at inference, in float64.

    Args:
        config: the layer's configuration; its `epsilon` is used.
        variables: `moving_mean` and `moving_variance`, and `gamma` and `beta` where
            the layer has them, of the shape of the kept axes.
        axes: the kept axes, counted from the end of the tensor.

    Returns:
        The affine map. It is not finite where the variance plus epsilon is not
        positive or a variable is not finite.
    """
    wide = {name: values.astype(np.float64) for name, values in variables.items()}
    mean, variance = wide["moving_mean"], wide["moving_variance"]
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = wide.get("gamma", 1.0) / np.sqrt(variance + config["epsilon"])
        shift = wide.get("beta", 0.0) - mean * scale
    return Affine(scale, shift, axes)
