"""A step of a running statistic: plain, zero-debiased or cumulative.

The three differ only in the rate at which a batch enters the statistic:

    statistic <- statistic + rate * (batch - statistic)

| average       | weight w after the step | rate          |
|---------------|-------------------------|---------------|
| plain         | (always 1)              | 1 - m         |
| zero-debiased | w + (1 - m) * (1 - w)   | (1 - m) / w   |
| cumulative    | w + 1 (a count)         | 1 / w         |

`m` is the momentum, and `w` starts at 0. After t steps of constant momentum the
zero-debiased weight is 1 - m^t, so its rate is (1 - m) / (1 - m^t): the bias
correction of Adam (Kingma and Ba, 2015, https://arxiv.org/abs/1412.6980,
section 3) in recursive form. It stores the corrected statistic itself, needs no
step count, stays right when the momentum changes on the way, and in float32 is
more accurate than dividing by 1 - m^t.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any


def advance(weight: Tensor, momentum: float | None) -> tuple[Tensor, Tensor]:
    """Count one more batch.

    Args:
        weight: The weight seen so far, float, of any shape.
        momentum: Float in [0, 1), or `None` for a cumulative average.

    Returns:
        The weight after this batch and the batch's rate, both of `weight`'s
        shape and dtype.
    """
    if momentum is None:
        weight = weight + 1.0
        return weight, 1.0 / weight
    gain = 1.0 - momentum
    weight = weight + gain * (1.0 - weight)
    return weight, gain / weight


def step(statistic: Tensor, batch: Tensor, rate: Tensor | float) -> Tensor:
    """Move `statistic` towards `batch`: `statistic + rate * (batch - statistic)`.

    Args:
        statistic: The running statistic.
        batch: The same statistic of one batch, of the same shape and dtype.
        rate: In (0, 1]; a number, or a tensor that broadcasts to `statistic`.

    Returns:
        The new running statistic. It lies between the two, whatever the
        rounding, and is `batch` exactly where `rate` is 1.
    """
    change = batch - statistic
    if isinstance(rate, float):
        if rate < 0.5:
            return statistic + rate * change
        # 0 times an infinite change would be NaN.
        return batch if rate == 1.0 else batch - (1.0 - rate) * change
    near = ops.where(rate < 1.0, batch - (1.0 - rate) * change, batch)
    return ops.where(rate < 0.5, statistic + rate * change, near)


def select(counted: Tensor | None, new: Tensor, old: Tensor) -> Tensor:
    """Select `new` where a batch has counted positions, else `old`; all if `None`."""
    return new if counted is None else ops.where(counted, new, old)


def moving_variable(
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    initializer: Any,
    per_replica: bool,
) -> Any:
    """Create a variable for a running statistic.

    With `per_replica`, replicas of a TensorFlow strategy each update their own
    value, and reading the variable outside of them gives the mean of all. Otherwise
    all update the same value in the same way. On other backends there is no
    difference.
    """
    return keras.Variable(
        initializer,
        shape=shape,
        dtype=dtype,
        trainable=False,
        autocast=False,
        aggregation="mean" if per_replica else "none",
        synchronization="on_read" if per_replica else "auto",
        name=name,
    )


class MovingWeight(keras.layers.Layer):
    """The weight `w` of running statistics, as a child of the layer that has them.

    `w` is a variable of the parent, as the state of a random seed is, but not one of
    its `weights`. So a list of weights or a legacy `.h5` file holds the same arrays as
    that of a plain layer, and each can be loaded into the other. Loading without `w`
    leaves it at 0: unknown.
    """

    def __init__(self, per_replica: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.per_replica = per_replica

    def build(self, shape: tuple[int, ...]) -> None:
        """Create `w`, of a shape that broadcasts to the statistics."""
        self.w = moving_variable(
            "w", shape, self.variable_dtype, "zeros", self.per_replica
        )

    @property
    def weights(self) -> list[Any]:
        """None, see the class."""
        return []

    def next(
        self, momentum: float | None, counted: Tensor | None, moved: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Count one more batch: the new `w`, and the batch's rate.

        Args:
            momentum: As for `advance`.
            counted: Where the batch has counted positions, as for `select`.
            moved: Boolean scalar, whether the statistics differ from the initial ones.
                If they do and `w` is 0, then they were loaded without their weight and
                count as complete: `w` is 1.
        """
        w = ops.convert_to_tensor(self.w)
        w = ops.where(ops.logical_and(moved, ops.all(w == 0)), 1, w)
        new, rate = advance(w, momentum)
        return select(counted, new, w), rate

    def reset(self) -> None:
        """Set `w` to 0: nothing is known about the statistics."""
        self.w.assign(ops.zeros(self.w.shape, self.w.dtype))

    def load_own_variables(self, store: Any) -> None:
        """Load `w`; reset it if the parent's statistics come without it."""
        if store.keys():
            super().load_own_variables(store)
        else:
            self.reset()
