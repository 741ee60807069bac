"""Observation of batch normalization layers in their calls."""

from __future__ import annotations

from typing import Any

Tensor = Any  # of the backend, perhaps a traced one

# Relative to the output's largest value. An output that is not normalized with the
# batch differs by nothing, one that is differs by about 1.
_NOTICEABLE = 0.01


class Observer:
    """A replacement of a layer's `call` that records the effect of each call.

    It is to be used within a `keras.StatelessScope`, so that no assignment lasts.

    Args:
        layer: a built `keras.layers.BatchNormalization`.
        in_training: the mode in which the model is run.

    Attributes:
        flags: the values of `training` that reached it.
        moved: a boolean tensor: whether its running statistics have changed.
        held_still: likewise: in training, whether they did not in a call in which they
            would have with `training=True`.
        depended: likewise: in inference, whether an output for the first sample
            depended on the others.
    """

    def __init__(self, layer: Any, in_training: bool) -> None:
        self.layer = layer
        self._in_training = in_training
        self.flags: set[bool | None] = set()
        self.moved: Tensor = False
        self.held_still: Tensor = False
        self.depended: Tensor = False
        self._call = layer.call

    def __call__(
        self,
        inputs: Tensor,
        training: Any = None,
        mask: Tensor | None = None,
        **others: Any,
    ) -> Tensor:
        """Call the layer as intended."""
        from keras import ops

        if mask is not None:
            others["mask"] = mask
        self.flags.add(None if training is None else bool(training))
        before = self._statistics()
        outputs = self._call(inputs, training=training, **others)
        moved = _unequal(before, self._statistics())
        self.moved = ops.logical_or(self.moved, moved)
        if self._in_training:
            would_move = self._would_move(inputs, **others)
            held_still = ops.logical_and(would_move, ops.logical_not(moved))
            self.held_still = ops.logical_or(self.held_still, held_still)
        else:
            depends = self._depends(inputs, training=training, **others)
            self.depended = ops.logical_or(self.depended, depends)
        return outputs

    @property
    def seen(self) -> tuple[Tensor, Tensor, Tensor]:
        """`moved`, `held_still` and `depended`."""
        return self.moved, self.held_still, self.depended

    def _would_move(self, inputs: Tensor, **others: Any) -> Tensor:
        import keras

        with keras.StatelessScope():
            before = self._statistics()
            self._call(inputs, training=True, **others)
            return _unequal(before, self._statistics())

    def _depends(self, inputs: Tensor, **others: Any) -> Tensor:
        """Whether the output for the first sample changes when the others do.

        The others are moved to the opposite side of the first one and twice as far
        away, which changes the mean of the batch, its variance, and the signs of its
        deviations.
        """
        import keras
        from keras import ops

        first, rest = inputs[:1], inputs[1:]
        moved = ops.concatenate([first, first + 2 * (first - rest)])
        with keras.StatelessScope():
            one = self._call(inputs, **others)[:1]
        with keras.StatelessScope():
            other = self._call(moved, **others)[:1]
        return ops.any(ops.abs(one - other) > _NOTICEABLE * ops.max(ops.abs(one)))

    def _statistics(self) -> list[Tensor]:
        """Return the running statistics in the current scope."""
        from keras import ops

        variables = (self.layer.moving_mean, self.layer.moving_variance)
        return [ops.copy(variable.value) for variable in variables]


def _unequal(ones: list[Tensor], others: list[Tensor]) -> Tensor:
    """Whether any values differ; NaN equals NaN."""
    from keras import ops

    def differ(one: Tensor, other: Tensor) -> Tensor:
        both_nan = ops.logical_and(ops.isnan(one), ops.isnan(other))
        return ops.any(ops.logical_and(one != other, ops.logical_not(both_nan)))

    return ops.logical_or(*map(differ, ones, others))
