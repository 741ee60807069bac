"""The running statistics of a layer, as one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from kerasbn import kernels
from kerasbn.kernels.dtypes import in_dtype
from kerasbn.moving_average import select, step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kerasbn.moving_average import MovingWeight

    Array = NDArray[np.float64]

Tensor = Any
Variable = Any


@dataclass(frozen=True)
class RenormStatistics:
    """Statistics that Batch Renormalization adds to the mean and variance.

    Attributes:
        moving_stddev: The running deviation for inference, which the variance follows.
        mean: The running mean that training normalizes with.
        stddev: The running deviation that training normalizes with.
    """

    moving_stddev: Variable
    mean: Variable
    stddev: Variable


@dataclass(frozen=True)
class RunningStatistics:
    """The variables of a built layer that a batch moves, and their updates.

    Attributes:
        layer: Has `momentum`, `epsilon`, `renorm_momentum` and the initializers.
        mean: The running mean.
        variance: The running variance.
        weight: The weight that they have collected, `None` for complete ones.
        renorm: Those of Batch Renormalization, `None` without it.
    """

    layer: Any
    mean: Variable
    variance: Variable
    weight: MovingWeight | None = None
    renorm: RenormStatistics | None = None

    @classmethod
    def from_layer(cls, layer: Any) -> RunningStatistics:
        """Return the statistics of a built layer, kerasbn's or stock."""
        renorm = None
        if getattr(layer, "renorm", False):
            renorm = RenormStatistics(
                layer.moving_stddev, layer.renorm_mean, layer.renorm_stddev
            )
        weight = getattr(layer, "moving_weight", None)
        return cls(layer, layer.moving_mean, layer.moving_variance, weight, renorm)

    def values(self, dtype: str) -> tuple[Tensor, Tensor]:
        """Mean and variance in a dtype."""
        return read(self.mean, dtype), read(self.variance, dtype)

    def move(self, mean: Tensor, variance: Tensor, counted: Tensor | None) -> None:
        """Move them towards a batch's where it has any, see `kernels.Normalized`."""
        rate = self._next_rate(counted)
        if self.renorm is None:
            _move(self.mean, mean, rate, counted)
            _move(self.variance, variance, rate, counted)
            return
        # As in stock, the deviation is averaged here and the variance follows it.
        epsilon = self.layer.epsilon
        stddev = ops.sqrt(variance + epsilon)
        renorm_rate = 1.0 - self.layer.renorm_momentum
        _move(self.renorm.mean, mean, renorm_rate, counted)
        _move(self.renorm.stddev, stddev, renorm_rate, counted)
        _move(self.mean, mean, rate, counted)
        moved = _move(self.renorm.moving_stddev, stddev, rate, counted)
        new = ops.relu(ops.square(moved) - epsilon)
        _assign(
            self.variance, select(counted, new, ops.convert_to_tensor(self.variance))
        )

    def _next_rate(self, counted: Tensor | None) -> Tensor | float:
        """The rate at which this batch enters mean and variance."""
        if self.weight is None:
            return 1.0 - self.layer.momentum
        moved = ops.logical_or(
            _differs(self.mean, self.layer.moving_mean_initializer),
            _differs(self.variance, self.layer.moving_variance_initializer),
        )
        new, rate = self.weight.next(self.layer.momentum, counted, moved)
        _assign(self.weight.w, new)
        return rate

    def forget_weight(self) -> None:
        """Record that the weight of the loaded statistics is unknown."""
        if self.weight is not None:
            self.weight.reset()

    def replace(
        self, mean: Array, variance: Array, batches: Array, has: NDArray[np.bool_]
    ) -> None:
        """Set all of them from the statistics of whole data.

        With a weight, they count as complete or, in an average of all batches, as the
        average of these.

        Args:
            mean: The mean, of the kept shape as all of these.
            variance: The biased variance.
            batches: From how many batches, per index.
            has: Where there are any data; elsewhere the old statistics stay.
        """
        stddev = np.sqrt(variance + self.layer.epsilon)
        new = [(self.mean, mean), (self.variance, variance)]
        if self.renorm is not None:
            new += [
                (self.renorm.moving_stddev, stddev),
                (self.renorm.mean, mean),
                (self.renorm.stddev, stddev),
            ]
        if self.weight is not None:
            self._replace_weight(batches)
        for variable, values in new:
            variable.assign(np.where(has, values, array(variable)))

    def _replace_weight(self, batches: Array) -> None:
        """The weight is per index, except on the last axis, where all count equally."""
        assert self.weight is not None
        w = self.weight.w
        alike = tuple(axis for axis, size in enumerate(w.shape) if size == 1)
        batches = batches.max(axis=alike, keepdims=True)
        new = batches if self.layer.momentum is None else np.minimum(batches, 1)
        w.assign(np.where(batches > 0, new, array(w)))


def read(variable: Variable, dtype: str) -> Tensor:
    """Its value in a dtype."""
    return in_dtype(ops.convert_to_tensor(variable), dtype)


def array(variable: Variable) -> Array:
    """Its value on the host, in float64."""
    tensor = ops.convert_to_tensor(variable)
    return np.asarray(ops.convert_to_numpy(tensor), np.float64)


def _move(
    statistic: Variable, batch: Tensor, rate: Tensor | float, counted: Tensor | None
) -> Tensor:
    old = ops.convert_to_tensor(statistic)
    batch = batch if batch.dtype == old.dtype else ops.cast(batch, old.dtype)
    new = select(counted, step(old, batch, rate), old)
    _assign(statistic, new)
    return new


def _assign(variable: Variable, value: Tensor) -> None:
    """Assign it, but not again where a batch passes once more, for gradients alone."""
    if not kernels.is_repeated():
        variable.assign(value)


def _differs(statistic: Variable, initializer: Any) -> Tensor:
    """Whether any element of the statistic is not its initial value."""
    return ops.any(statistic != initializer(statistic.shape, dtype=statistic.dtype))
