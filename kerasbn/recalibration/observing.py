"""Observation of the inputs of a model's batch normalization layers."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from kerasbn import replicas
from kerasbn.arguments import resolved_axes
from kerasbn.kernels import generic
from kerasbn.moving_average import select
from kerasbn.recalibration.pooling import Array, Pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Tensor = Any


class Observer:
    """A replacement of a layer's `call` that pools the statistics of its inputs.

    The layer then normalizes with those of the batch: they are assigned to its
    running statistics and it is called in inference mode. So frozen layers, renorm
    and subclasses need no maths of their own. It is to be used within a
    `keras.StatelessScope`, which keeps that assignment from the variables.

    Args:
        layer: A `keras.layers.BatchNormalization`, kerasbn's among them.
        path: Its path in the model.
    """

    def __init__(self, layer: Any, path: str) -> None:
        self.layer = layer
        self.path = path
        self.pool: Pool | None = None
        self._call = layer.call

    def __call__(
        self,
        inputs: Tensor,
        training: bool | None = None,
        mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Call the layer and pool the statistics of the inputs."""
        kept = resolved_axes(self.layer.axis, inputs.shape)
        is_double = keras.backend.standardize_dtype(inputs.dtype) == "float64"
        x = ops.cast(inputs, "float64" if is_double else "float32")
        mean, variance, counted, *_ = generic.moments(x, kept, mask)
        self._pool(_counts(inputs.shape, kept, self._concrete(mask)), mean, variance)
        if self.is_synchronized:
            count = generic.count(x, kept, mask)
            mean, variance, counted = replicas.pooled(mean, variance, count)
        for statistic, batch in (
            (self.layer.moving_mean, mean),
            (self.layer.moving_variance, variance),
        ):
            batch = ops.cast(batch, statistic.dtype)
            statistic.assign(select(counted, batch, ops.convert_to_tensor(statistic)))
        if mask is not None:
            kwargs["mask"] = mask
        return self._call(inputs, training=False, **kwargs)

    @property
    def is_synchronized(self) -> bool:
        """Whether it normalizes with the statistics of all replicas together."""
        return bool(self.layer.synchronized) and replicas.active.several()

    def add_other_processes(self, pools: Sequence[Pool | None]) -> None:
        """Pool the statistics of this layer from all processes, this one included."""
        self.pool = None
        for pool in pools:
            if self.pool is None:
                self.pool = pool
            elif pool is not None:
                self.pool.merge(pool, same_batches=self.is_synchronized)

    def _pool(self, count: Array, mean: Tensor, variance: Tensor) -> None:
        if self.pool is None:
            self.pool = Pool(count.shape)
        self.pool.add(count, self._concrete(mean), self._concrete(variance))

    def _concrete(self, tensor: Tensor | None) -> Any:
        """The tensor as an array on the host, integers and booleans as they are."""
        if tensor is None:
            return None
        try:
            return np.asarray(ops.convert_to_numpy(tensor))
        except Exception as error:
            raise RuntimeError(
                "A layer must be called with values, not be traced, for its "
                f"statistics to be taken. Received: {tensor!r} in the layer "
                f"{self.path!r}. It is within a loop or function that the backend "
                "compiles; call it outside of that."
            ) from error


@contextmanager
def observed(observers: Iterable[Observer]) -> Iterator[None]:
    """Within this context, let the observers handle their layers' calls."""
    with ExitStack() as stack:
        for observer in observers:
            stack.enter_context(_attribute(observer.layer, "call", observer))
        yield


@contextmanager
def _attribute(instance: Any, name: str, value: Any) -> Iterator[None]:
    """Shadow an attribute of one instance, bypassing Keras' attribute tracking."""
    own = vars(instance)
    before = {name: own[name]} if name in own else {}
    own[name] = value
    try:
        yield
    finally:
        del own[name]
        own.update(before)


def _counts(shape: tuple[int, ...], kept: tuple[int, ...], mask: Any) -> Array:
    """The number of positions behind each statistic, of the kept shape."""
    positions = np.ones((1,) * len(shape)) if mask is None else mask[..., np.newaxis]
    positions = np.broadcast_to(positions != 0, (*shape[:-1], 1))
    reduced = tuple(axis for axis in range(len(shape)) if axis not in kept)
    count = np.sum(positions, axis=reduced, dtype=np.float64)
    last = len(shape) - 1
    if last in reduced:  # A mask has no such axis: it counts each position whole.
        return np.asarray(count * shape[last])
    return np.broadcast_to(count, tuple(shape[axis] for axis in kept))
