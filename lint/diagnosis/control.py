"""What takes the place of a batch normalization layer's `call` in a diagnosis."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Tensor = Any


class Told:
    """Calls a layer in the mode that is asked for, whatever the model tells it."""

    def __init__(self, layer: Any, training: bool) -> None:
        self.layer = layer
        self._training = training
        self._call = layer.call

    def __call__(
        self, inputs: Tensor, training: Any = None, *others: Any, **named: Any
    ) -> Tensor:
        return self._call(inputs, self._training, *others, **named)


class Measured:
    """Takes the statistics of a layer's inputs, and normalizes with them.

    They are assigned to its running statistics and the layer is called in inference
    mode, as `kerasbn.recalibrate` does: so frozen layers, renorm and subclasses need no
    maths of their own. To be used in a `keras.StatelessScope`.

    Attributes:
        calls: of each call the number of positions, the mean and variance of the
            batch, and the variance of the means of its samples, tensors.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.calls: list[tuple[Tensor, ...]] = []
        self._call = layer.call

    def __call__(
        self,
        inputs: Tensor,
        training: Any = None,
        mask: Tensor | None = None,
        **named: Any,
    ) -> Tensor:
        from keras import ops

        moments = _moments(inputs, self.layer.axis, mask)
        self.calls.append(moments)
        running = (self.layer.moving_mean, self.layer.moving_variance)
        for statistic, batch in zip(running, moments[1:3], strict=True):
            statistic.assign(ops.cast(batch, statistic.dtype))
        if mask is not None:
            named["mask"] = mask
        return self._call(inputs, training=False, **named)


@contextmanager
def in_place(replacements: Sequence[Any]) -> Iterator[None]:
    """Within this context the replacements take their layers' calls.

    Attributes of the instances shadow the methods, past Keras' notes of attributes.
    """
    for each in replacements:
        vars(each.layer)["call"] = each
    try:
        yield
    finally:
        for each in replacements:
            vars(each.layer).pop("call", None)


def _moments(inputs: Tensor, axis: Any, mask: Tensor | None) -> tuple[Tensor, ...]:
    """The number of positions, their mean and variance, and that of sample means.

    The kept axes are in ascending order, as in the layer's weights. Two passes, as
    E[x^2] - E[x]^2 cancels.
    """
    from keras import ops

    rank = len(inputs.shape)
    kept = {a % rank for a in (axis if isinstance(axis, list | tuple) else [axis])}
    reduced = tuple(a for a in range(rank) if a not in kept)
    x = ops.cast(inputs, "float32")
    if mask is None:
        weights = ops.ones_like(x)
    else:
        weights = ops.cast(mask, "float32")
        while len(weights.shape) < rank:
            weights = ops.expand_dims(weights, -1)
        weights = weights * ops.ones_like(x)
        x = ops.where(weights > 0, x, 0.0)

    def average(values: Tensor, counts: Tensor, axes: Any) -> Tensor:
        total = ops.sum(values * counts, axes, keepdims=True)
        return total / ops.maximum(ops.sum(counts, axes, keepdims=True), 1.0)

    mean = average(x, weights, reduced)
    variance = average((x - mean) ** 2, weights, reduced)
    within = tuple(a for a in reduced if a != 0)
    of_samples = average(x, weights, within) if within else x
    counts = ops.sum(weights, within, keepdims=True) if within else weights
    between = average((of_samples - mean) ** 2, counts, reduced[:1])
    kept_shape = [inputs.shape[a] for a in sorted(kept)]
    return (
        ops.max(ops.sum(weights, reduced)),
        ops.reshape(mean, kept_shape),
        ops.reshape(variance, kept_shape),
        ops.reshape(between if 0 in reduced else ops.zeros_like(mean), kept_shape),
    )
