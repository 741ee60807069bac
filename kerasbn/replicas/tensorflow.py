"""Replicas of a `tf.distribute` strategy, in one process or in several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable

Tensor = Any


def several() -> bool:
    """Whether this runs within `strategy.run` of a strategy of several replicas."""
    context = tf.distribute.get_replica_context()
    return context is not None and context.num_replicas_in_sync > 1


def total(tensor: Tensor) -> Tensor:
    """The sum over all replicas, with gradients."""
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensor)


def holds_all(variable: Any) -> bool:
    """Whether the Keras variable was created in the scope of a strategy."""
    return isinstance(variable.value, tf.distribute.DistributedValues)


def in_each(variable: Any, function: Callable[[], list[Tensor]]) -> list[Tensor]:
    """`function()` in each replica of the variable's strategy, the first's result."""
    if not holds_all(variable):
        return function()
    strategy = variable.value.distribute_strategy
    results = strategy.run(function)
    return [strategy.experimental_local_results(result)[0] for result in results]
