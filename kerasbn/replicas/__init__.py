"""Several replicas: copies of one model that each train on a part of the batch.

A replica has the moments of its own part. Those of all parts together follow from
the law of total variance, with `w` the weight of each part, its number of
positions for instance:

    W = sum(w)    mean = sum(w * mean_i) / W
    variance = sum(w * (variance_i + (mean_i - mean)^2)) / W

Everything that differs between backends is in the modules named after them.
"""

from __future__ import annotations

import importlib
import math
from typing import Any, Protocol, cast

import keras
from keras import ops

Tensor = Any


class Replicas(Protocol):
    """What a backend has for replicas, as a module with these functions."""

    def several(self) -> bool:
        """Whether the code that calls this runs in one of several replicas."""

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all replicas, in each of them and with gradients.

        All replicas must call it, in the same order.
        """

    def is_distributed(self, variable: Any) -> bool:
        """Whether the variable holds the values of other replicas too."""

    def gathered(self, variable: Any) -> Tensor:
        """The values of all replicas, along a new first axis."""

    def from_all_processes(self, value: Any) -> list[Any]:
        """Each process's value on the host. All must call it."""


def _backend_module(backend: str) -> Replicas:
    """The module for a Keras backend: `single` where it needs none of its own."""
    own = backend in ("tensorflow", "torch")
    name = f"{__name__}.{backend if own else 'single'}"
    return cast("Replicas", importlib.import_module(name))


active = _backend_module(keras.backend.backend())


def pooled(
    mean: Tensor, variance: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The moments of all replicas' parts together; called in each replica.

    Args:
        mean: The mean of this replica's part.
        variance: Its biased variance, of the same shape and dtype.
        weight: Tensor of the same dtype that broadcasts to them, not negative. Where
            it is 0 this replica's moments have no influence, NaN included.

    Returns:
        `(mean, variance, counted)`. `counted` is boolean, of the shape of `weight`,
        and false where all weights are 0 and the moments mean nothing.
    """
    mean = ops.where(weight > 0, mean, 0)
    variance = ops.where(weight > 0, variance, 0)
    all_weights, weighted = _totals(weight, weight * mean)
    counted = all_weights > 0
    all_weights = ops.where(counted, all_weights, 1)
    pooled_mean = weighted / all_weights
    squares = active.total(weight * (variance + ops.square(mean - pooled_mean)))
    return pooled_mean, squares / all_weights, counted


def _totals(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The sums of both over all replicas, in one message."""
    both = active.total(ops.concatenate([ops.ravel(a), ops.ravel(b)]))
    size = math.prod(a.shape)
    return ops.reshape(both[:size], a.shape), ops.reshape(both[size:], b.shape)
