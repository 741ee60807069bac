"""The core of both ways of monitoring: samples, trials, warnings, and the end."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ..subjects.live_model import layers_inside
from .budget import Budget
from .counting import CallCounter
from .histograms import Histograms
from .judging import (
    judge,
    judge_at_the_end,
    judge_calls,
    judge_still,
    judge_untrained,
    needed_steps,
)
from .layers import WatchedLayer
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
        advice: how to make a layer receive training=True.
        loss: `loss(y, y_pred)`; None for the one that the model was compiled with.
        planned: the number of steps in total; None if it is not known.
        own_step: whether the training step is not that of Keras' trainer.
        histograms: gets the inputs of the layers.

    Attributes:
        layers: the monitored layers: all that are not frozen.
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
        advice: str,
        loss: Loss | None = None,
        planned: int | None = None,
        own_step: bool = False,
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
        self._model = model
        self.counter = CallCounter(self.layers)
        self._own_step = own_step
        self._calls_are_guessed = False
        self.while_trying: Callable[[], AbstractContextManager[None]] = nullcontext
        self._advice = advice
        self._planned = planned
        self._samples = Budget(_SAMPLES, _SAMPLE_POINTS, every, guess=0)
        self._trials = Budget(_TRIALS, _TRIAL_POINTS, every, guess=1)
        self._histograms = histograms or Histograms(None)
        self._trial: Trial | None = Trial(model, self.layers, loss, self._histograms)
        self._batch: tuple[Any, Any, Any] | None = None

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
                self._judge_losses(at_the_end=False)
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
            if layer.ever_moved and any(trained) and is_still:
                judge_untrained(layer, self.notices, self.step)
            elif layer.ever_moved:
                judge_at_the_end(layer, self.notices, self.step)
            elif layer.is_trained(value):
                judge_still(layer, self.notices, self.step, self._advice)
        self._judge_losses(at_the_end=True)
        self.notices.say()

    def _wait(self, value: Value) -> None:
        """Wait for the steps so far, whose time is not that of a look."""
        if self.layers and self.layers[0].layer.built:
            flat(value(self.layers[0].layer.moving_mean))

    def _learn_calls(self, steps: int) -> None:
        """Use the counts; a step that was compiled before cannot be counted."""
        counts = [self.counter.per_step(layer, steps) for layer in self.layers]
        if self._own_step or any(counts):
            for layer, calls in zip(self.layers, counts, strict=True):
                layer.calls = calls
        else:  # Keras' step calls the model once, as a trial does.
            self._calls_are_guessed = True

    def _sample(self, value: Value) -> None:
        self._read(value)
        for layer in self.layers:
            if layer.ever_moved and layer.is_trained(value):
                judge(layer, self.notices, self.step, self._planned)
            elif self.step >= _ENOUGH_STEPS and layer.is_trained(value):
                judge_still(layer, self.notices, self.step, self._advice)

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

    def _judge_losses(self, at_the_end: bool) -> None:
        """Warn if inference is far worse, and not only until statistics converge."""
        momenta = [
            layer.momentum for layer in self.layers if layer.momentum is not None
        ]
        # 5 % of the initial variance may still be more than the variance of batches.
        converged = self.step >= 2 * max(map(needed_steps, momenta), default=1)
        if not self.losses or not (at_the_end or converged):
            return
        recent = self.losses[-1:] if at_the_end else self.losses[-2:]
        if not at_the_end and len(recent) < 2:
            return
        if all(map(self._parts_ways, recent)):
            last = recent[-1]
            self.notices.give(
                "loss",
                None,
                self.step,
                f"the same batch has a loss of {last.training:.4g} in training mode "
                f"and of {last.inference:.4g} in inference mode after {self.step:,} "
                f"steps: inference does not match training. {self._why_losses_part()}",
            )

    def _why_losses_part(self) -> str:
        optimizer = getattr(self._model, "optimizer", None)
        if getattr(optimizer, "use_ema", False):
            return (
                "The weights are averages (use_ema), but the running statistics belong "
                "to the weights before averaging: use kerasbn.recalibrate(model, data)."
            )
        unlike = [layer.path for layer in self.layers if layer.has_unlike_calls]
        if unlike:
            return (
                f"{unlike[0]} receives different kinds of inputs, which no running "
                "statistics fit: give each input its own batch normalization layer."
            )
        return (
            "The running statistics may be wrong, or batches too small or too "
            "different: lint.diagnose(model, x, y) finds the cause and the remedy."
        )

    def _parts_ways(self, losses: Losses) -> bool:
        """Whether inference is worse by more than the loss itself, and noticeably.

        Dropout makes training mode the worse one, which is not a mistake.
        """
        scale = max(abs(losses.training), 0.05 * abs(self.losses[0].training))
        return losses.inference - losses.training > scale
