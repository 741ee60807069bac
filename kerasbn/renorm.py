"""Batch Renormalization (Ioffe, 2017): its arguments and its correction.

https://arxiv.org/abs/1702.03275, algorithm 1. Training normalizes with running
statistics too, so that it sees what inference will see:

    r = stddev / renorm_stddev, clipped to [rmin, rmax]
    d = (mean - renorm_mean) / renorm_stddev, clipped to [-dmax, dmax]
    y = (x * r + d) * gamma + beta = x * (r * gamma) + (d * gamma + beta)

where `x` is normalized with the batch's mean and stddev.
"""

from __future__ import annotations

import inspect
from collections import deque
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from kerasbn import kernels
from kerasbn.arguments import checked_momentum

if TYPE_CHECKING:
    from collections.abc import Mapping

Tensor = Any


def stock_arguments(
    renorm: bool, clipping: Mapping[str, float] | None, momentum: float
) -> dict[str, Any]:
    """The arguments for stock's constructor: none if it does not support renorm.

    Raises:
        ValueError: If renorm is wanted and the installed Keras does not know it.
    """
    known = inspect.signature(keras.layers.BatchNormalization.__init__).parameters
    if renorm and "renorm" not in known:
        raise ValueError(
            f"Keras {keras.__version__} knows no `renorm`: install a newer one. "
            f"Received: renorm={renorm}"
        )
    if "renorm" not in known:
        return {}
    if renorm:
        momentum = checked_momentum("renorm_momentum", momentum)
    return {
        "renorm": renorm,
        "renorm_clipping": clipping,
        "renorm_momentum": momentum,
    }


class RunningMoments:
    """The running mean and stddev that each of the last batches was corrected by.

    A pass for gradients alone (see `kernels.is_repeated`) comes after they have moved.
    It must find the values that its batch met at first.
    """

    def __init__(self) -> None:
        # The batch's mean, and what it met; calls may be many before gradients.
        self._met: deque[tuple[Tensor, tuple[Tensor, Tensor]]] = deque(maxlen=32)

    def met_by(self, mean: Tensor, now: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return what the batch of this mean met, which is `now` if it is new."""
        if kernels.is_repeated():
            return self._recalled(mean, now)
        if kernels.active.may_be_repeated(mean):
            copies = (ops.copy(t) for t in map(ops.stop_gradient, (mean, *now)))
            mean, *then = copies
            self._met.append((mean, tuple(then)))
        return now

    def _recalled(
        self, mean: Tensor, now: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return what the nearest mean met: equal sums can differ in the last bits."""

        def difference(met: tuple[Tensor, Any]) -> float:
            return float(ops.max(ops.abs(met[0] - ops.stop_gradient(mean))))

        alike = [met for met in reversed(self._met) if met[0].shape == mean.shape]
        return min(alike, key=difference)[1] if alike else now


def corrected(
    gamma: Tensor | None,
    beta: Tensor | None,
    mean: Tensor,
    stddev: Tensor,
    renorm_mean: Tensor,
    renorm_stddev: Tensor,
    clipping: Mapping[str, float | None],
) -> tuple[Tensor, Tensor]:
    """Gamma and beta that apply r and d as well. No gradient passes through those.

    Args:
        gamma: Tensor of the shape of the statistics, or `None` for 1.
        beta: The same, or `None` for 0.
        mean: The batch's.
        stddev: The batch's, `sqrt(variance + epsilon)`.
        renorm_mean: The running mean.
        renorm_stddev: The running stddev, not 0.
        clipping: Bounds under the keys `"rmin"`, `"rmax"` and `"dmax"`; one that
            is missing or `None` does not clip.

    Returns:
        `(gamma, beta)`, both tensors.
    """
    r = stddev / renorm_stddev
    d = (mean - renorm_mean) / renorm_stddev
    r = bounded(r, clipping.get("rmin"), clipping.get("rmax"))
    if (dmax := clipping.get("dmax")) is not None:
        d = bounded(d, -dmax, dmax)
    r, d = ops.stop_gradient(r), ops.stop_gradient(d)
    if gamma is not None:
        r, d = r * gamma, d * gamma
    return r, d if beta is None else d + beta


def bounded(t: Tensor, low: float | None, high: float | None = None) -> Tensor:
    """The tensor between bounds; `ops.maximum` makes float32 of float64 on PyTorch."""
    if low is not None:
        low = ops.convert_to_tensor(low, dtype=t.dtype)
        t = ops.where(t < low, low, t)
    if high is not None:
        high = ops.convert_to_tensor(high, dtype=t.dtype)
        t = ops.where(t > high, high, t)
    return t
