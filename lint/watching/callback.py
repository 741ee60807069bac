"""`Watch`, a Keras callback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from ..subjects.trainer import trains_by_itself
from .ending import check_options, finish
from .monitor import Monitor
from .tapping import Tap
from .values import current_value, synchronize

if TYPE_CHECKING:
    from .layers import WatchedLayer
    from .notices import Notice

_TOLD_HOW = (
    "Give `call` a parameter training=None, and pass neither None nor False on to the "
    "layer (model-lint rule BN101)."
)
_TOLD_IN_OWN_STEP = (
    "Call the network with training=True in the train_step of the model's own, as in "
    "self(x, training=True) (model-lint rule BN102)."
)


class Watch(keras.callbacks.Callback):
    """Watches the batch normalization of a model while `fit` trains it.

    It warns, once for each layer, when running statistics do not move, when they will
    not reach those of the batches before training ends, when channels become constant,
    and when the same batch has a far higher loss in inference than in training mode.
    At the end it prints a table. Frozen layers are not watched.

    The statistics of the batches are read off the running ones. Now and then, a batch
    passes through the model once more in both modes. Neither changes the training: its
    results are the same to the bit. Both together take about 3 % of the time, and one
    such batch at the end; on JAX, the first also waits to be compiled. How often a
    training step calls a layer is counted in the first one. Where that was compiled
    before, and is not that of Keras' trainer, only what needs no count is warned of:
    statistics that do not move, and losses.

    Args:
        every: look after each that many steps; `None` for as often as is cheap.
        plot: a file for a picture, such as `"watch.png"`: of the worst layers, their
            running statistics against those of the batches, and their inputs, over
            time; of many, a map of how far each is off. It needs Matplotlib.
        verbose: whether to print the table.
        logs: whether to put the numbers of each layer into the logs of each epoch, for
            `History`, `CSVLogger`, `TensorBoard` and whatever else comes behind this
            callback: `bn/<layer>/shift`, `/ratio` and `/constant`. They are NaN until
            there is something to tell. A progress bar shows them, too.

    Raises:
        UsageError: (a ValueError) if an argument is wrong or Matplotlib is missing.

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
    ) -> None:
        super().__init__()
        check_options(every, plot)
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
        own_step = trains_by_itself(type(self.model))
        self._monitor = Monitor(
            self.model,
            self._every,
            _TOLD_IN_OWN_STEP if own_step else _TOLD_HOW,
            planned=epochs * steps if epochs and steps else None,
            own_step=own_step,
        )
        self._tap = Tap(self.model, self._monitor)
        self._tap.open()
        self._monitor.begin(self._value)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        assert self._monitor is not None
        self._first = batch
        self._tap.keeps_next = self._monitor.wants_batch()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        assert self._monitor is not None
        done = self.model.steps_per_execution
        steps = self.params.get("steps")
        if steps:
            done = min(done, steps - self._first)  # The last ones may be fewer.
        self._monitor.after_step(self._monitor.step + done, self._value)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        assert self._monitor is not None
        if self._logs and logs is not None:
            logs.update(self._monitor.numbers(self._value))

    def on_train_end(self, logs: Any = None) -> None:
        assert self._monitor is not None
        self._tap.close()
        self._monitor.end(self._value)
        finish(self._monitor, self._plot, self._verbose)

    def _value(self, variable: Any) -> Any:
        synchronize(self.model)
        return current_value(variable)
