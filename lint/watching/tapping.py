"""The batches of `fit`, intercepted on their way into the training step."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .monitor import Monitor


class Tap:
    """A replacement of a model's `train_function` that keeps a batch on request.

    The step and its data stay the same. If a training failed and did not close the
    replacement, it receives no more requests, and only passes on.

    Args:
        model: a model whose `train_function` was made.
        monitor: receives the batches.

    Attributes:
        keeps_next: whether to keep the next batch.
    """

    def __init__(self, model: Any, monitor: Monitor) -> None:
        import keras

        self._model = model
        self._monitor = monitor
        self._train_function: Callable[..., Any] = model.train_function
        if isinstance(model.train_function, Tap):
            self._train_function = model.train_function._train_function
        ways: dict[str, Callable[..., tuple[Any, ...]]] = {
            "tensorflow": self._from_tensorflow,
            "jax": self._from_iterator,
            "torch": self._from_list,
        }
        self.keeps_next = False
        self._has_run = False
        self._replayed: list[Any] = []
        self._replay: Any = None
        self._taken_from = ways.get(keras.backend.backend())

    def open(self) -> None:
        """Replace the function."""
        self._model.train_function = self

    def close(self) -> None:
        """Put the function back."""
        if self._model.train_function is self:
            self._model.train_function = self._train_function

    def __call__(self, *arguments: Any) -> Any:
        if self._taken_from is not None and self.keeps_next:
            self.keeps_next = False
            arguments = self._taken_from(*arguments)
        with nullcontext() if self._monitor.step else self._monitor.counter.counting():
            found = self._train_function(*arguments)
        self._has_run = True
        return found

    def has_run(self) -> bool:
        """Whether a step was done since the last call; True if it cannot be known.

        Keras announces one more step than there are batches, if it does not know how
        many there are.
        """
        has_run = self._has_run or self._model.train_function is not self
        self._has_run = False
        return has_run

    def _keep(self, batch: Any) -> None:
        import keras

        self._monitor.keep_batch(*keras.utils.unpack_x_y_sample_weight(batch))

    def _from_list(self, data: Any) -> tuple[Any, ...]:
        """Take the batch from a list of one, which PyTorch's function receives."""
        self._keep(data[0])
        return (data,)

    def _from_iterator(self, state: Any, iterator: Any) -> tuple[Any, ...]:
        """Take the batch from a Python iterator, which JAX's function receives."""
        batches = list(islice(iterator, 1))
        for batch in batches:
            self._keep(batch)
        return state, chain(batches, iterator)

    def _from_tensorflow(self, iterator: Any) -> tuple[Any, ...]:
        """Take the batch without changing the iterator's type, which is compiled in."""
        tf: Any = sys.modules["tensorflow"]
        spec = getattr(iterator, "element_spec", None)
        is_plain = isinstance(iterator, tf.data.Iterator) and all(
            isinstance(leaf, tf.TensorSpec) for leaf in tf.nest.flatten(spec)
        )
        if not is_plain:  # of several replicas, sparse, or with optional parts
            return (iterator,)
        batches = list(islice(iterator, self._model.steps_per_execution))
        if batches:
            self._keep(batches[0])
        self._replayed[:] = batches
        if self._replay is None:  # which takes a while to make
            self._replay = tf.data.Dataset.from_generator(
                lambda: self._replayed, output_signature=spec
            )
        return (iter(self._replay),)
