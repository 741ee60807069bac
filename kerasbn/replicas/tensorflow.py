"""Replicas of a `tf.distribute` strategy, in one process or in several."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def several() -> bool:
    """Whether this runs within `strategy.run` of a strategy of several replicas."""
    context = tf.distribute.get_replica_context()
    return context is not None and context.num_replicas_in_sync > 1


def total(tensor: Tensor) -> Tensor:
    """The sum over all replicas, with gradients."""
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensor)


def is_distributed(variable: Any) -> bool:
    """Whether the Keras variable was created in the scope of a strategy."""
    return isinstance(variable.value, tf.distribute.DistributedValues)


def gathered(variable: Any) -> Tensor:
    """The values of all replicas; with several workers, each of them must call it."""
    if not is_distributed(variable):
        return tf.expand_dims(variable, 0)
    strategy = variable.value.distribute_strategy
    values = strategy.experimental_local_results(variable.value)
    if len(values) == strategy.num_replicas_in_sync:
        return tf.stack(values)
    values = strategy.gather(variable.value, axis=0)
    return tf.reshape(values, (strategy.num_replicas_in_sync, *variable.shape))


def from_all_processes(value: Any) -> list[Any]:
    """List the value of each process: one process has all replicas."""
    return [value]
