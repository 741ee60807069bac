"""Statistics of a batch normalization layer's inputs, as tensors."""

from __future__ import annotations

from typing import Any

Tensor = Any


def moments(inputs: Tensor, axis: Any, mask: Tensor | None) -> tuple[Tensor, ...]:
    """Compute the number of positions, mean, variance, and variance of sample means.

    Args:
        inputs: the inputs of a batch normalization layer.
        axis: its axis or axes. In the result these are in ascending order, as in its
            weights.
        mask: the positions that count; of any rank up to that of the inputs.

    Returns:
        A scalar, and three float32 tensors of the layer's shape. Variances are biased,
        and taken in two passes, as E[x^2] - E[x]^2 cancels.
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
