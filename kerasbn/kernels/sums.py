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

FEW = 2**9  # Rows, so few that one by one is exact enough.
FEW_FIRST = 2**11  # Along the first axis, where TensorFlow takes some together.
BLOCK = 2**9  # Rows of a block, where it is not known how many there are.


def total(values: Tensor, reduced: tuple[int, ...]) -> Tensor:
    """The sum over the axes `reduced`, ascending, each of which remains with size 1."""
    if not ADDS_ONE_BY_ONE or not reduced:
        return ops.sum(values, reduced, keepdims=True)
    for run in reversed(neighbours(reduced)):
        values = _along(values, tuple(run))
    return values


def is_few(sizes: Sequence[int | None], most: int = FEW_FIRST) -> bool:
    """Whether the product of the sizes is known, and of so few rows."""
    known = [size for size in sizes if size is not None]
    return len(known) == len(sizes) and math.prod(known) <= most


def _along(values: Tensor, run: tuple[int, ...]) -> Tensor:
    """The sum over axes that are neighbours."""
    first, end = run[0], run[-1] + 1
    few = is_few(values.shape[first:end], FEW if first else FEW_FIRST)
    if few or end == len(values.shape):  # Along the last axis a sum is a tree.
        return ops.sum(values, run, keepdims=True)
    sizes = ops.shape(values)
    before, after = sizes[:first], sizes[end:]
    rows = math.prod(sizes[first:end])
    one_axis = ops.reshape(values, (math.prod(before), rows, math.prod(after)))
    return ops.reshape(_sum_rows(one_axis), (*before, *[1] * len(run), *after))


def _sum_rows(values: Tensor) -> Tensor:
    """The sum over axis 1 of three."""
    before, rows, after = ops.shape(values)
    block = BLOCK
    if isinstance(rows, int):
        block = max(BLOCK, 2 ** round(math.log2(rows) / 2))
    number = rows // block
    whole = values[:, : number * block]
    blocks = ops.reshape(whole, (before, number, block, after))
    sums = ops.sum(ops.sum(blocks, 2), 1)
    if isinstance(rows, int) and rows == number * block:
        return sums
    return sums + ops.sum(values[:, number * block :], 1)
