"""Sums of many numbers that keep the digits of float32.

A backend that adds up rows one by one in float32 loses digits with their number: of
numbers that are not negative, 2e-6 of the sum at 2^16 rows and 1e-3 at 2^22. A sum
of the sums of blocks, each of about as many rows as there are blocks, stays below
5e-7 up to 2^24 rows, in the same time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from kerasbn.kernels.layout import neighbours

if TYPE_CHECKING:
    from collections.abc import Sequence

Tensor = Any

# On other backends sums are taken in trees.
ADDS_ONE_BY_ONE = keras.backend.backend() in ("tensorflow", "numpy")

FEW = 2**12  # Rows, so few that one by one is exact enough.
BLOCK = 2**9  # Rows of a block, where it is not known how many there are.


def total(values: Tensor, reduced: tuple[int, ...]) -> Tensor:
    """The sum over the axes `reduced`, ascending, each of which remains with size 1."""
    if not ADDS_ONE_BY_ONE or not reduced:
        return ops.sum(values, reduced, keepdims=True)
    # Along the last axes a sum is a tree, but not together with the first.
    first, *others = neighbours(reduced)
    for run in reversed(others):
        values = ops.sum(values, tuple(run), keepdims=True)
    outer = len(first)
    if first[0] != 0 or is_few(values.shape[:outer]):
        return ops.sum(values, tuple(first), keepdims=True)
    sizes = ops.shape(values)
    rows = ops.reshape(values, (math.prod(sizes[:outer]), *sizes[outer:]))
    return ops.reshape(_of_rows(rows), (*[1] * outer, *sizes[outer:]))


def is_few(sizes: Sequence[int | None]) -> bool:
    """Whether the product of the sizes is known, and of so few rows."""
    known = [size for size in sizes if size is not None]
    return len(known) == len(sizes) and math.prod(known) <= FEW


def _of_rows(values: Tensor) -> Tensor:
    """The sum over axis 0."""
    rows, *sizes = ops.shape(values)
    block = BLOCK
    if isinstance(rows, int):
        block = max(BLOCK, 2 ** round(math.log2(rows) / 2))
    number = rows // block
    whole = ops.reshape(values[: number * block], (number, block, *sizes))
    sums = ops.sum(ops.sum(whole, 1), 0)
    if isinstance(rows, int) and rows == number * block:
        return sums
    return sums + ops.sum(values[number * block :], 0)
