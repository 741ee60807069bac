"""The weights of live layers, as a file would hold them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from kerasbn.archive import Place


@dataclass(frozen=True)
class LiveArray:
    """A variable of a live layer.

    Attributes:
        variable: the variable, or its value.
    """

    variable: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.variable.shape)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Its dtype; bfloat16 is `ml_dtypes.bfloat16`."""
        name = str(self.variable.dtype).removeprefix("torch.")
        return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def read(self) -> NDArray[Any]:
        """Read all values."""
        value = ops.convert_to_numpy(ops.convert_to_tensor(self.variable))
        return np.asarray(value).astype(self.dtype)

    def __getitem__(self, place: Place) -> NDArray[Any]:
        return self._values[place]

    @cached_property
    def _values(self) -> NDArray[Any]:
        return self.read()


class LiveWeights:
    """The weights of live layers, with the interface of `kerasbn.archive.Archive`.

    Args:
        layers: path -> layer.
        model: the model that holds them.
    """

    def __init__(self, layers: Mapping[str, Any], model: Any) -> None:
        self._layers = layers
        self._model = model
        self._found: dict[str, tuple[LiveArray, ...]] = {}

    @property
    def file_bytes(self) -> None:
        """None: there is no file."""
        return

    def variables(self, path: str) -> tuple[LiveArray, ...]:
        """Return the variables that the layer at `path` saves, in that order."""
        if path not in self._found:
            store: dict[str, Any] = {}
            if (layer := self._layer(path)) is not None:
                layer.save_own_variables(store)
            self._found[path] = tuple(
                LiveArray(store[str(number)])
                for number in range(len(store))
                if str(number) in store
            )
        return self._found[path]

    def variable(self, path: str, index: int) -> LiveArray | None:
        """Return a variable of the layer at `path`; None if it has fewer."""
        stored = self.variables(path)
        return stored[index] if index < len(stored) else None

    def parameters(self) -> int:
        """The number of parameters, as in `model.count_params()`."""
        return int(self._model.count_params())

    def _layer(self, path: str) -> Any:
        if path in self._layers:
            return self._layers[path]
        wrapper, _, name = path.rpartition("/")  # `wrapper/layer` of TimeDistributed
        inner = getattr(self._layers.get(wrapper), "layer", None)
        return inner if getattr(inner, "name", None) == name else None
