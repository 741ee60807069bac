"""Replacements of a batch normalization layer's `call`, or epsilon, in a diagnosis."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..subjects.probing.moments import moments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Tensor = Any


@contextmanager
def replaced_epsilon(layers: Iterable[Any], epsilon: float | None) -> Iterator[None]:
    """Give layers another epsilon within this context; None changes nothing."""
    own = [] if epsilon is None else [(layer, layer.epsilon) for layer in layers]
    try:
        for layer, _ in own:
            layer.epsilon = epsilon
        yield
    finally:
        for layer, before in own:
            layer.epsilon = before


@contextmanager
def added_losses(model: Any, losses: list[Any] | None) -> Iterator[None]:
    """Let `compute_loss` add these losses of layers, as Keras' JAX trainer does.

    None changes nothing.
    """
    before = model._losses_override
    try:
        if losses:
            model._losses_override = losses
        yield
    finally:
        model._losses_override = before


class Forced:
    """A call of a layer in a given mode, whatever the model passes to it."""

    def __init__(self, layer: Any, training: bool) -> None:
        self.layer = layer
        self._training = training
        self._call = layer.call

    def __call__(
        self, inputs: Tensor, training: Any = None, *others: Any, **named: Any
    ) -> Tensor:
        return self._call(inputs, self._training, *others, **named)


class Measured:
    """A call that measures a layer's inputs, and normalizes with their statistics.

    They are assigned to its running statistics, and the layer is called in inference
    mode, as `kerasbn.recalibrate` does: so frozen layers, renorm and subclasses need no
    special treatment. To be used in a `keras.StatelessScope`.

    Attributes:
        calls: for each call, as tensors: the number of positions, the mean and variance
            of the batch, and the variance of the means of its samples.
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

        found = moments(inputs, self.layer.axis, mask)
        self.calls.append(found)
        running = (self.layer.moving_mean, self.layer.moving_variance)
        for statistic, batch in zip(running, found[1:3], strict=True):
            statistic.assign(ops.cast(batch, statistic.dtype))
        if mask is not None:
            named["mask"] = mask
        return self._call(inputs, training=False, **named)
