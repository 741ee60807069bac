"""`Watch`, a Keras callback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from ..subjects.trainer import is_plain, own_step
from .ending import check_options, finish
from .histograms import Histograms, log_folder
from .monitor import Monitor
from .tapping import Tap
from .values import current_value, synchronize

if TYPE_CHECKING:
    from .layers import WatchedLayer
    from .notices import Notice

_IN_OWN_STEP = (
    "Call the network with training=True in the model's own {}, as in "
    "self(x, training=True) (model-lint rule BN102)."
)


class Watch(keras.callbacks.Callback):
    """A monitor of a model's batch normalization while `fit` trains it.

    It warns, once for each layer, if running statistics are not updated or not finite,
    if they will not reach those of the batches before training ends, if channels become
    constant, and if the same batch has a far higher loss in inference than in training
    mode. At the end it prints a table. Frozen layers are not monitored.

    The statistics of the batches are derived from the running ones. From time to time,
    a batch is passed through the model once more in both modes. Neither changes the
    training: its results are the same to the bit. Together they take about 3 % of the
    time, plus one such batch at the end; on JAX, the first also has to be compiled. The
    calls of a layer per training step are counted in the first step. If that was
    compiled before, and is not that of Keras' trainer, only warnings that need no count
    are given: of statistics that are not updated, and of losses.

    Args:
        every: look after each that many steps; `None` for as often as is cheap.
        plot: a file for a picture, such as `"watch.png"`: for the worst layers, their
            running statistics against those of the batches, and their inputs, over
            time; for many layers, a map of how far each is off. It needs Matplotlib.
        verbose: whether to print the table.
        logs: whether to add the numbers of each layer to the logs of each epoch, for
            `History`, `CSVLogger`, `TensorBoard` and any other callback after this one:
            `bn/<layer>/shift`, `/ratio` and `/constant`. They are NaN until they are
            known. A progress bar shows them, too, which is much for many layers: then
            pass `verbose=2` to `fit`, or False here.
        tensorboard: the `keras.callbacks.TensorBoard` of the same `fit`, or a folder of
            logs: histograms of the inputs of each layer are written there, as the run
            `bn`, whenever a batch passes through the model once more. It needs the
            package `tensorboard`, and no TensorFlow.

    Raises:
        UsageError: (a ValueError) if an argument is wrong, or Matplotlib or TensorBoard
            is missing.

    Example:
    >>> watch = lint.Watch(plot="watch.png")
    >>> model.fit(x, y, epochs=10, callbacks=[watch])
    >>> [notice.message for notice in watch.notices]
    """

    def __init__(
        self,
        *,
        every: int | None = None,
        plot: Any = None,
        verbose: bool = True,
        logs: bool = True,
        tensorboard: Any = None,
    ) -> None:
        super().__init__()
        check_options(every, plot)
        self._log_folder = log_folder(tensorboard)
        self._every = every
        self._plot = plot
        self._verbose = verbose
        self._logs = logs
        self._monitor: Monitor | None = None

    @property
    def notices(self) -> list[Notice]:
        """The warnings of the last training, in their order."""
        return [] if self._monitor is None else self._monitor.notices.given

    @property
    def layers(self) -> list[WatchedLayer]:
        """The layers watched in the last training, with what was seen of them."""
        return [] if self._monitor is None else self._monitor.layers

    def on_train_begin(self, logs: Any = None) -> None:
        epochs, steps = self.params.get("epochs"), self.params.get("steps")
        step = own_step(type(self.model))
        self._monitor = Monitor(
            self.model,
            self._every,
            planned=epochs * steps if epochs and steps else None,
            own_step=_IN_OWN_STEP.format(step) if step else "",
            is_plain=is_plain(type(self.model)),
            histograms=Histograms(self._log_folder),
        )
        self._first: int | None = None
        # Once: on JAX, each look at `self.model` synchronizes all of its variables.
        self._steps_at_once = self.model.steps_per_execution
        self._tap = Tap(self.model, self._monitor)
        self._tap.open()
        self._monitor.begin(self._value)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        assert self._monitor is not None
        self._note_steps()
        self._first = batch
        self._tap.keeps_next = self._monitor.wants_batch()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        assert self._monitor is not None
        self._note_steps()
        if self._logs and logs is not None:
            logs.update(self._monitor.numbers(self._value))

    def on_train_end(self, logs: Any = None) -> None:
        assert self._monitor is not None
        self._tap.close()
        self._monitor.end(self._value)
        finish(self._monitor, self._plot, self._verbose)

    def _note_steps(self) -> None:
        """Look, if that is due, after the steps since the last call.

        Not in `on_train_batch_end`: with a callback that has that, Keras waits for each
        step before it prepares the next.
        """
        if self._first is None or not self._tap.has_run():
            return
        assert self._monitor is not None
        done = self._steps_at_once
        steps = self.params.get("steps")
        if steps:
            done = min(done, steps - self._first)  # There may be fewer at the end.
        self._first = None
        self._monitor.after_step(self._monitor.step + done, self._value)

    def _value(self, variable: Any) -> Any:
        synchronize(self.model)
        return current_value(variable)
