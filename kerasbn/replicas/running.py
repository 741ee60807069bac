"""The running statistics of replicas that each moved their own, combined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from kerasbn.replicas import active

if TYPE_CHECKING:
    from kerasbn.layer import BatchNormalization

Tensor = Any


def combined(layer: BatchNormalization) -> list[tuple[Any, Tensor]]:
    """What the running variables of a built layer are over all replicas.

    Replicas with more weight `w` count for more. The new `w` is the mean of all:
    together they are one layer that has seen as many batches as each of them.

    Returns:
        Pairs of a variable and its value; none where all replicas have the same.
    """
    if layer.synchronized:
        return []
    mean = active.gathered(layer.moving_mean)
    variance = active.gathered(layer.moving_variance)
    w = ops.ones_like(mean)
    if layer.moving_weight is not None:
        w = active.gathered(layer.moving_weight.w)
    new_mean, new_variance = _mixed(mean, variance, w)
    pairs = [(layer.moving_mean, new_mean), (layer.moving_variance, new_variance)]
    if layer.moving_weight is not None:
        pairs.append((layer.moving_weight.w, ops.mean(w, 0)))
    if layer.renorm:
        pairs += _combined_renorm(layer, mean, w)
    return pairs


def _combined_renorm(
    layer: BatchNormalization, mean: Tensor, w: Tensor
) -> list[tuple[Any, Tensor]]:
    """The same for the variables of renorm, which have deviations for variances."""
    stddev = active.gathered(layer.moving_stddev)
    renorm_mean = active.gathered(layer.renorm_mean)
    renorm_stddev = active.gathered(layer.renorm_stddev)
    _, variance = _mixed(mean, ops.square(stddev), w)
    new_renorm_mean, renorm_variance = _mixed(
        renorm_mean, ops.square(renorm_stddev), ops.ones_like(renorm_mean)
    )
    return [
        (layer.moving_stddev, ops.sqrt(variance)),
        (layer.renorm_mean, new_renorm_mean),
        (layer.renorm_stddev, ops.sqrt(renorm_variance)),
    ]


def _mixed(mean: Tensor, variance: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the mixture, by the law of total variance.

    Args:
        mean: The means along the first axis.
        variance: The variances, of the same shape.
        weight: Their weights, not negative, of a shape that broadcasts to it. Where
            all are 0 they count as equal.

    Returns:
        `(mean, variance)`, without the first axis.
    """
    weight = ops.where(ops.any(weight > 0, 0), weight, 1)
    share = weight / ops.sum(weight, 0)
    new_mean = ops.sum(share * mean, 0)
    return new_mean, ops.sum(share * (variance + ops.square(mean - new_mean)), 0)
