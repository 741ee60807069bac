"""The core of both ways of monitoring: samples, trials, warnings, and the end."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ..subjects.live_model import layers_inside
from .budget import Budget
from .counting import CallCounter
from .histograms import Histograms
from .judging import (
    IN_CALL,
    judge,
    judge_at_the_end,
    judge_calls,
    judge_not_finite,
    judge_still,
    judge_untrained,
)
from .layers import WatchedLayer
from .losses import judge_losses
from .notices import Notices
from .statistics import flat
from .trial import Losses, Trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from .layers import Value
    from .trial import Loss

# Fractions of training time: for reading statistics, and for comparing losses.
_SAMPLES, _TRIALS = 0.01, 0.02
_SAMPLE_POINTS, _TRIAL_POINTS = 64, 16
_ENOUGH_STEPS = 3  # to see whether statistics move


class Monitor:
    """A monitor of the batch normalization of one model during one training.

    Args:
        model: the model.
        every: look after each that many steps; None for as often as is cheap.
        loss: `loss(y, y_pred)`; None for the one that the model was compiled with.
        planned: the number of steps in total; None if it is not known.
        own_step: how to make a layer receive training=True in a training step that is
            not that of Keras' trainer; empty if it is.
        is_plain: whether nothing of the model's own is around Keras' training step.
        histograms: gets the inputs of the layers.

    Attributes:
        layers: the monitored layers: all that are not frozen.
        model: the model.
        losses: of the batches that were compared.
        notices: the warnings that were given.
        step: the number of steps done.
        counter: counts the calls of each layer in the first step.
        while_trying: a context in which the model's variables have their values.
    """

    def __init__(
        self,
        model: Any,
        every: int | None,
        loss: Loss | None = None,
        planned: int | None = None,
        own_step: str = "",
        is_plain: bool = False,
        histograms: Histograms | None = None,
    ) -> None:
        import keras

        self.layers = [
            WatchedLayer(path, layer)
            for layer, path, frozen in layers_inside(model)
            if isinstance(layer, keras.layers.BatchNormalization) and not frozen
        ]
        self.losses: list[Losses] = []
        self.notices = Notices()
        self.step = 0
        self.model = model
        self.counter = CallCounter(self.layers)
        self._own_step = own_step
        self._is_plain = is_plain
        self._calls_are_guessed = False
        self.while_trying: Callable[[], AbstractContextManager[None]] = nullcontext
        self._planned = planned
        self._samples = Budget(_SAMPLES, _SAMPLE_POINTS, every, guess=0)
        self._trials = Budget(_TRIALS, _TRIAL_POINTS, every, guess=1)
        self._histograms = histograms or Histograms(None)
        self._trial: Trial | None = Trial(model, self.layers, loss, self._histograms)
        self._batch: tuple[Any, Any, Any] | None = None

    @property
    def samples(self) -> int | None:
        """The number of samples in a batch; None if none was seen."""
        import keras

        leaves = keras.tree.flatten(None if self._batch is None else self._batch[0])
        shapes = [leaf.shape for leaf in leaves if getattr(leaf, "shape", ())]
        return int(shapes[0][0]) if shapes else None

    def wants_batch(self) -> bool:
        """Whether the batch of the next step should be kept for a trial."""
        if not self.layers or self._trial is None:
            return False
        return self._batch is None or self._trials.is_due(self.step + 1)

    def keep_batch(self, x: Any, y: Any = None, sample_weight: Any = None) -> None:
        """Keep the batch of a step."""
        self._batch = (x, y, sample_weight)

    def begin(self, value: Value) -> None:
        """Read the statistics before the first step."""
        self._read(value)

    def after_step(self, step: int, value: Value) -> None:
        """Look, if that is due, after so many steps in total."""
        if not self.step:
            self._learn_calls(step)
        self.step = step
        if self.layers and self._samples.is_due(step):
            self._wait(value)
            with self._samples.look(step):
                self._sample(value)
        if self._batch is not None and self._trials.is_due(step):
            self._wait(value)
            with self._trials.look(step):
                self._try()
                judge_losses(self, at_the_end=False)
        self.notices.say()

    def numbers(self, value: Value) -> dict[str, float]:
        """Return the current numbers of each layer, by `bn/<layer>/<number>`."""
        self._read(value)
        return {
            f"bn/{layer.path}/{name}": number
            for layer in self.layers
            for name, number in layer.numbers().items()
        }

    def end(self, value: Value) -> None:
        """Look for the last time."""
        self._read(value)
        if self._batch is not None and not self._has_losses_of(self.step):
            self._try()
        self._histograms.close()
        trained = [layer.is_trained(value) for layer in self.layers]
        for layer in self.layers:
            # What does not vary is normalized to 0, and gamma has no gradient.
            is_still = layer.varies and not layer.is_trained(value)
            if not layer.is_finite:
                judge_not_finite(layer, self.notices, self.step)
            elif layer.ever_moved and any(trained) and is_still:
                judge_untrained(layer, self.notices, self.step)
            elif layer.ever_moved:
                judge_at_the_end(layer, self.notices, self.step, self.samples)
            elif layer.is_trained(value):
                judge_still(layer, self.notices, self.step, self._advice_for(layer))
        judge_losses(self, at_the_end=True)
        self.notices.say()

    def _wait(self, value: Value) -> None:
        """Wait for the steps so far, whose time is not that of a look."""
        if self.layers and self.layers[0].layer.built:
            flat(value(self.layers[0].layer.moving_mean))

    def _learn_calls(self, steps: int) -> None:
        """Use the counts; a step that was compiled before cannot be counted."""
        counts = [self.counter.per_step(layer, steps) for layer in self.layers]
        if not self._is_plain or any(counts):
            for layer, calls in zip(self.layers, counts, strict=True):
                layer.calls = calls
        else:  # Keras' step calls the model once, as a trial does.
            self._calls_are_guessed = True

    def _sample(self, value: Value) -> None:
        self._read(value)
        for layer in self.layers:
            if not layer.is_finite:
                judge_not_finite(layer, self.notices, self.step)
            elif layer.ever_moved and layer.is_trained(value):
                judge(layer, self.notices, self.step, self._planned, self.samples)
            elif self.step >= _ENOUGH_STEPS and layer.is_trained(value):
                judge_still(layer, self.notices, self.step, self._advice_for(layer))

    def _advice_for(self, layer: WatchedLayer) -> str:
        """Say how to make a layer receive training=True: in its `call`, or the step."""
        if not self._own_step:
            return IN_CALL
        if layer.gets_flag is None:
            self._try()
        return (
            f"{IN_CALL} {self._own_step}"
            if layer.gets_flag is False
            else self._own_step
        )

    def _read(self, value: Value) -> None:
        for layer in self.layers:
            layer.sample(self.step, value)

    def _has_losses_of(self, step: int) -> bool:
        return bool(self.losses) and self.losses[-1].step == step

    def _try(self) -> None:
        """Compare the losses; if that fails once, it is not tried again."""
        if self._trial is None or self._batch is None:
            return
        try:
            with self.while_trying():
                losses = self._trial.run(self.step, *self._batch)
        except Exception:  # The user's code may do anything.
            self._trial = self._batch = None
            return
        for layer in self.layers:
            judge_calls(layer, self.notices, self.step)
        if losses is not None:
            self.losses.append(losses)
        if self._calls_are_guessed:
            self._calls_are_guessed = False
            for layer, calls in zip(self.layers, self._trial.calls, strict=True):
                layer.calls = max(calls, 1)
