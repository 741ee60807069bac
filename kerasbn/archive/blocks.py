"""Arrays in blocks, so that a large one is never in memory as a whole."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

Place = tuple[slice, ...]
"""A part of an array: a slice for each axis."""

# The largest number of values in a block. Smaller blocks cost calls, larger ones miss
# the processor's caches.
_BLOCK = 2**19


class Blockwise(Protocol):
    """An object that gives an array block by block, such as an array itself.

    Attributes:
        shape: the array's shape.
        dtype: its dtype.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, place: Place, /) -> NDArray[Any]: ...


def blocks(shape: Sequence[int]) -> Iterator[Place]:
    """Yield the places that make up an array, in storage order.

    A block is contiguous: one index along the first axes, a range of the next, and all
    of the others.
    """
    rest = math.prod(shape)
    if 0 in shape:
        return
    axis = 0
    while axis < len(shape) and rest > _BLOCK:
        rest //= shape[axis]
        axis += 1
    if axis == 0:
        yield tuple(slice(0, size) for size in shape)
        return
    *outer, size = shape[:axis]
    step = _BLOCK // rest
    inner = tuple(slice(0, size) for size in shape[axis:])
    for index in product(*map(range, outer)):
        lead = tuple(slice(number, number + 1) for number in index)
        for start in range(0, size, step):
            yield (*lead, slice(start, min(start + step, size)), *inner)
