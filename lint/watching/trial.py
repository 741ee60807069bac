"""A batch passed through the model in both modes, without lasting effect."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..subjects.probing.backends import ways_to_run
from ..subjects.probing.moments import moments
from ..subjects.probing.undisturbed import undisturbed
from ..subjects.replaced_calls import replaced_calls
from ..subjects.trainer import penalty_of, receives_training
from .statistics import flat
from .values import synchronize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .histograms import Histograms
    from .layers import WatchedLayer

    Tensor = Any
    # `loss(y, y_pred)` of a batch.
    Loss = Callable[[Any, Any], Tensor]

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_VALUES = 4096  # from which quantiles are taken


@dataclass(frozen=True)
class Losses:
    """The loss of the same batch in training and in inference mode.

    Attributes:
        step: the number of steps done.
        training: the loss in training mode.
        inference: the loss in inference mode.
        penalty: the part of both that regularizes weights.
    """

    step: int
    training: float
    inference: float
    penalty: float = 0.0


class Trial:
    """A forward run of a model in both modes.

    Args:
        model: the model.
        layers: the layers whose inputs are recorded.
        loss: the loss function; None for the one that the model was compiled with.
        histograms: gets their inputs.

    Attributes:
        calls: how often training mode called each layer; empty before the first run.
    """

    def __init__(
        self,
        model: Any,
        layers: Sequence[WatchedLayer],
        loss: Loss | None,
        histograms: Histograms,
    ) -> None:
        self._model = model
        self._histograms = histograms
        self._layers = layers
        self._loss = loss
        self.calls: list[int] = []
        self._run = ways_to_run()[0](self._both_modes, model)

    def run(self, step: int, x: Any, y: Any, sample_weight: Any) -> Losses | None:
        """Record the inputs of the layers; return the losses, None without targets.

        Raises:
            Exception: whatever the model or its loss raises.
        """
        synchronize(self._model)
        with undisturbed(self._model), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inference, training, inputs, calls = self._run(x, y, sample_weight)
            for layer, values, of_calls in zip(
                self._layers, inputs, calls, strict=True
            ):
                layer.note_calls([(flat(m), flat(v)) for m, v in of_calls])
                if values is not None and values.shape[0]:
                    # NumPy is far quicker at this than eager TensorFlow.
                    sample = flat(values)
                    layer.inputs.append((step, np.quantile(sample, _QUANTILES)))
                    self._histograms.write(layer.path, sample, step)
        if training is None:
            return None
        penalty = penalty_of(self._model) if self._loss is None else 0.0
        return Losses(step, flat(training).item(), flat(inference).item(), penalty)

    def _both_modes(self, x: Any, y: Any, sample_weight: Any) -> Any:
        """Run inference first, before training mode updates the statistics."""
        inference = self._forward(x, y, sample_weight, training=False)
        observers = [
            _InputObserver(layer.layer, (layer.calls or 1) > 1)
            for layer in self._layers
        ]
        with replaced_calls((observer.layer, observer) for observer in observers):
            training = self._forward(x, y, sample_weight, training=True)
        self.calls = [observer.calls for observer in observers]
        for layer, observer in zip(self._layers, observers, strict=True):
            layer.gets_flag = observer.gets_flag if observer.calls else None
        values = [observer.values for observer in observers]
        return inference, training, values, [observer.moments for observer in observers]

    def _forward(self, x: Any, y: Any, sample_weight: Any, training: bool) -> Any:
        """Return the loss; None if there is nothing to compare with."""
        flag = {"training": training} if receives_training(self._model) else {}
        y_pred = self._model(x, **flag)
        if y is None or not (self._loss or self._model.compiled):
            return None
        if self._loss is not None:
            return self._loss(y, y_pred)
        return self._model.compute_loss(
            x=x, y=y, y_pred=y_pred, sample_weight=sample_weight
        )


class _InputObserver:
    """A replacement of a layer's `call` that records its inputs.

    Args:
        layer: the layer.
        has_several: whether a step calls it more than once, so that the inputs of its
            calls are compared.
    """

    def __init__(self, layer: Any, has_several: bool) -> None:
        self.layer = layer
        self.calls = 0
        self.gets_flag = False
        self.values: Tensor = None
        self.moments: list[tuple[Tensor, Tensor]] = []
        self._has_several = has_several
        self._call = layer.call

    def __call__(self, inputs: Tensor, *arguments: Any, **named: Any) -> Tensor:
        from keras import ops

        values = ops.reshape(inputs, (-1,))
        values = values[:: max(1, values.shape[0] // _VALUES)]
        self.values = ops.cast(values, "float32")  # NumPy has no bfloat16.
        self.calls += 1
        flag = named.get("training", arguments[0] if arguments else None)
        self.gets_flag |= bool(flag)
        if self._has_several:
            _, mean, variance, _ = moments(inputs, self.layer.axis, named.get("mask"))
            self.moments.append((mean, variance))
        return self._call(inputs, *arguments, **named)
