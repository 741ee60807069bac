"""The batches of `fit`, seen on their way into the training step."""

from __future__ import annotations

import sys
from functools import reduce
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .monitor import Monitor


class Tap:
    """Takes the place of a model's `train_function`, and keeps batches if wanted.

    The step that is run and the data that it is given stay the same.

    Args:
        model: a model whose `train_function` was made.
        monitor: what wants batches.
    """

    def __init__(self, model: Any, monitor: Monitor) -> None:
        import keras

        self._model = model
        self._monitor = monitor
        self._train_function: Callable[..., Any] = model.train_function
        ways: dict[str, Callable[..., tuple[Any, ...]]] = {
            "tensorflow": self._from_tensorflow,
            "jax": self._from_iterator,
            "torch": self._from_list,
        }
        self._taken_from = ways.get(keras.backend.backend())

    def open(self) -> None:
        """Take the place of the function."""
        self._model.train_function = self

    def close(self) -> None:
        """Put the function back."""
        if self._model.train_function is self:
            self._model.train_function = self._train_function

    def __call__(self, *arguments: Any) -> Any:
        if self._taken_from is not None and self._monitor.wants_batch():
            arguments = self._taken_from(*arguments)
        return self._train_function(*arguments)

    def _keep(self, batch: Any) -> None:
        import keras

        self._monitor.keep_batch(*keras.utils.unpack_x_y_sample_weight(batch))

    def _from_list(self, data: Any) -> tuple[Any, ...]:
        """PyTorch's function is given a list of one batch."""
        self._keep(data[0])
        return (data,)

    def _from_iterator(self, state: Any, iterator: Any) -> tuple[Any, ...]:
        """JAX's function is given an iterator of Python."""
        batches = list(islice(iterator, 1))
        for batch in batches:
            self._keep(batch)
        return state, chain(batches, iterator)

    def _from_tensorflow(self, iterator: Any) -> tuple[Any, ...]:
        """TensorFlow's function is compiled for iterators of the same elements."""
        tf: Any = sys.modules["tensorflow"]
        spec = getattr(iterator, "element_spec", None)
        is_plain = isinstance(iterator, tf.data.Iterator) and all(
            isinstance(each, tf.TensorSpec) and each.shape.rank
            for each in tf.nest.flatten(spec)
        )
        if not is_plain:  # of several replicas, sparse, or with optional parts
            return (iterator,)
        batches = list(islice(iterator, self._model.steps_per_execution))
        if batches:
            self._keep(batches[0])
        return (iter(_dataset(batches, spec)),)


def _dataset(batches: list[Any], spec: Any) -> Any:
    """A TensorFlow dataset of these batches, with elements that are said to be such.

    Of the ways to say that the number of samples is open, the first is the fastest.
    """
    datasets: Any = sys.modules["tensorflow"].data.Dataset
    parts = [datasets.from_tensor_slices(each).batch(_size(each)) for each in batches]
    if parts and all(each.element_spec == spec for each in parts):
        return reduce(lambda one, other: one.concatenate(other), parts)
    return datasets.from_generator(lambda: batches, output_signature=spec)


def _size(batch: Any) -> int:
    import keras

    return int(keras.tree.flatten(batch)[0].shape[0])
