"""The running statistics of replicas that each moved their own, combined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from kerasbn.replicas import active

if TYPE_CHECKING:
    from kerasbn.statistics import RenormStatistics, RunningStatistics

Tensor = Any


def combined(statistics: RunningStatistics) -> list[tuple[Any, Tensor]]:
    """Combine running statistics that each replica has moved, over all replicas.

    Replicas with more weight `w` count for more. The new `w` is the mean of all:
    together they are one layer that has seen as many batches as each of them.

    Returns:
        Pairs of a variable and its value.
    """
    mean = active.gathered(statistics.mean)
    variance = active.gathered(statistics.variance)
    w = ops.ones_like(mean)
    if statistics.weight is not None:
        w = active.gathered(statistics.weight.w)
    new_mean, new_variance = _mixed(mean, variance, w)
    pairs = [(statistics.mean, new_mean), (statistics.variance, new_variance)]
    if statistics.weight is not None:
        pairs.append((statistics.weight.w, ops.mean(w, 0)))
    if statistics.renorm is not None:
        pairs += _combined_renorm(statistics.renorm, mean, w)
    return pairs


def _combined_renorm(
    renorm: RenormStatistics, mean: Tensor, w: Tensor
) -> list[tuple[Any, Tensor]]:
    """Combine the variables of renorm, which hold deviations instead of variances."""
    moving_stddev = active.gathered(renorm.moving_stddev)
    renorm_mean = active.gathered(renorm.mean)
    stddev = active.gathered(renorm.stddev)
    _, variance = _mixed(mean, ops.square(moving_stddev), w)
    new_mean, renorm_variance = _mixed(
        renorm_mean, ops.square(stddev), ops.ones_like(renorm_mean)
    )
    return [
        (renorm.moving_stddev, ops.sqrt(variance)),
        (renorm.mean, new_mean),
        (renorm.stddev, ops.sqrt(renorm_variance)),
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
