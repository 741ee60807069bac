"""Kernels in float64, block by block.

A kernel may be most of a model, and float64 doubles its size. Folding multiplies
kernels and sums them up, and neither needs a whole one in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.archive import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kerasbn.archive import Blockwise, Place
    from kerasbn.folding.affine import Float64


@dataclass(frozen=True)
class Wide:
    """An array times some factors, in float64, computed on demand.

    Attributes:
        array: the array, of any floating dtype.
        factors: float64, of the array's shape; mostly views of small arrays.
    """

    array: Blockwise
    factors: tuple[Float64, ...] = ()

    @classmethod
    def of(cls, array: Blockwise) -> Wide:
        """Return an array in float64; itself if it is one of these."""
        return array if isinstance(array, Wide) else cls(array)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[np.float64]:
        """The dtype, always float64."""
        return np.dtype(np.float64)

    def __mul__(self, factor: Float64) -> Wide:
        """Multiply the array by a factor that broadcasts to its shape.

        Raises:
            ValueError: if it does not.
        """
        factor = np.broadcast_to(factor, self.shape)
        return Wide(self.array, (*self.factors, factor))

    def __getitem__(self, place: Place) -> Float64:
        values = self.array[place].astype(np.float64)
        for factor in self.factors:
            values *= factor[place]
        return values

    def sum(self, axes: Sequence[int]) -> Float64:
        """Sum over some axes, counted from the start or from the end."""
        summed = {axis % self.ndim for axis in axes}
        total = np.zeros(
            [1 if axis in summed else size for axis, size in enumerate(self.shape)]
        )
        for place in blocks(self.shape):
            into = tuple(
                slice(None) if axis in summed else part
                for axis, part in enumerate(place)
            )
            total[into] += self[place].sum(tuple(summed), keepdims=True)
        return total.squeeze(tuple(summed))


def whole(array: Blockwise) -> NDArray[Any]:
    """Return the whole array, in memory."""
    result = np.empty(array.shape, array.dtype)
    for place in blocks(array.shape):
        result[place] = array[place]
    return result
