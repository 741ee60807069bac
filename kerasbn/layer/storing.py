"""How the layer's weights are saved and loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasbn import replicas
from kerasbn.statistics import combining

if TYPE_CHECKING:
    from collections.abc import Sequence

Tensor = Any


class Storing(keras.layers.BatchNormalization):
    """Part of `kerasbn.BatchNormalization`, with the statistics of a built layer."""

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Set the weights, in the order of stock's, from a list of NumPy arrays."""
        shapes = [tuple(variable.shape) for variable in self.weights]
        if len(shapes) == len(weights):
            weights = list(map(_in_shape, weights, shapes))
        super().set_weights(weights)
        self.finalize_state()

    def finalize_state(self) -> None:
        """Forget the weight of replaced statistics; Keras calls it after an `.h5`."""
        if self.built:
            self._statistics.forget_weight()

    def save_own_variables(self, store: Any) -> None:
        """Save the layer's state: of all replicas, where one process has them all."""
        combined = {}
        if self.built and replicas.active.is_distributed(self.moving_mean):
            combined = {id(v): value for v, value in self.combined_statistics()}
        variables = self._trainable_variables + self._non_trainable_variables
        for index, variable in enumerate(variables):
            store[str(index)] = combined.get(id(variable), variable)

    def combined_statistics(self) -> list[tuple[Any, Tensor]]:
        """Pairs of a variable and its value over all replicas, none if they agree."""
        return [] if self.synchronized else combining.combined(self._statistics)

    def load_own_variables(self, store: Any) -> None:
        """Load the layer's state from one group of a weights file."""
        arrays = {key: store[key] for key in store.keys()}  # noqa: SIM118
        variables = self._trainable_variables + self._non_trainable_variables
        for index, variable in enumerate(variables):
            if (key := str(index)) in arrays:
                arrays[key] = _in_shape(arrays[key], tuple(variable.shape))
        super().load_own_variables(arrays)


def _in_shape(array: Any, shape: tuple[int, ...]) -> Any:
    """Return the array in `shape` if only dimensions of 1 differ, else unchanged.

    tf.keras 2 kept the weights of several axes in the input's rank, for example
    `(1, 28, 28, 1)` for `(28, 28)`.
    """
    same = [n for n in array.shape if n != 1] == [n for n in shape if n != 1]
    return np.reshape(array, shape) if same and array.shape != shape else array
