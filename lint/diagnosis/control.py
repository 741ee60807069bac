"""What takes the place of a batch normalization layer's `call` in a diagnosis."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..subjects.probing.moments import moments

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

        found = moments(inputs, self.layer.axis, mask)
        self.calls.append(found)
        running = (self.layer.moving_mean, self.layer.moving_variance)
        for statistic, batch in zip(running, found[1:3], strict=True):
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
