"""The running statistics of replicas that each moved their own, combined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from kerasbn.replicas import active, pooled

if TYPE_CHECKING:
    from kerasbn.layer import BatchNormalization

Tensor = Any


def combined(layer: BatchNormalization) -> list[tuple[Any, Tensor]]:
    """What the running variables of a built layer are over all replicas.

    Replicas with more weight `w` count for more, replicas without any do not count.
    The new `w` is the mean of all, since each batch of one replica counts as a batch
    of the layer.

    Returns:
        Pairs of a variable and its value; none where all replicas have the same.
    """
    mine = layer.moving_mean
    if layer.synchronized or not (active.several() or active.holds_all(mine)):
        return []
    values = active.in_each(mine, lambda: _values(layer))
    return list(zip(_variables(layer), values, strict=True))


def _variables(layer: BatchNormalization) -> list[Any]:
    """The variables that training moves, in the order of `_values`."""
    variables = [layer.moving_mean, layer.moving_variance]
    if layer.renorm:
        variables += [layer.moving_stddev, layer.renorm_mean, layer.renorm_stddev]
    if layer.moving_weight is not None:
        variables.append(layer.moving_weight.w)
    return variables


def _values(layer: BatchNormalization) -> list[Tensor]:
    """The values of these variables over all replicas; called in each of them."""
    mean = ops.convert_to_tensor(layer.moving_mean)
    variance = ops.convert_to_tensor(layer.moving_variance)
    one = ops.ones_like(mean)
    weight = one
    if layer.moving_weight is not None:
        weight = layer.moving_weight.known(layer.has_moved())
    values = list(_pooled_or_own(mean, variance, weight))
    if layer.renorm:
        stddev = ops.convert_to_tensor(layer.moving_stddev)
        values.append(_pooled_stddev(mean, stddev, weight)[1])
        renorm_mean = ops.convert_to_tensor(layer.renorm_mean)
        renorm_stddev = ops.convert_to_tensor(layer.renorm_stddev)
        values += _pooled_stddev(renorm_mean, renorm_stddev, one)
    if layer.moving_weight is not None:
        values.append(active.total(weight) / active.total(ops.ones_like(weight)))
    return values


def _pooled_or_own(
    mean: Tensor, variance: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """`pooled`, and this replica's own where no replica has any weight."""
    new_mean, new_variance, counted = pooled(mean, variance, weight)
    mean = ops.where(counted, new_mean, mean)
    return mean, ops.where(counted, new_variance, variance)


def _pooled_stddev(
    mean: Tensor, stddev: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """The same for a standard deviation."""
    mean, variance = _pooled_or_own(mean, ops.square(stddev), weight)
    return mean, ops.sqrt(variance)
