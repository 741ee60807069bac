"""Moments of rows from their sums and from those of their squares.

    mean = sum(x) / N        variance = sum(x^2) / N - mean^2

Each sum is one pass over the tensor, as fast as memory is read: products with a vector
of ones, and norms, of blocks of a few rows. What is left is small and in float64. The
difference cancels digits where the mean is not below the deviation, so the sums must
have more of them than the variance is to have. In a block of n rows rounding takes up
to 2e-8 * sqrt(n) of a sum (one standard deviation, as the errors of additions are
independent), and of the sum of all blocks sqrt(N / n) times less. With |mean| of k
deviations the variance is off by about 2 * k^2 times that, which `limit` keeps below
1e-6.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kerasbn.kernels.accuracy import LIMIT
from kerasbn.kernels.tensorflow.situation import count, usual_count

if TYPE_CHECKING:
    from kerasbn.kernels.layout import Size

Tensor = Any

AT_ONCE = 2**3  # Rows whose norms are taken in one pass over memory.
# The rows of a block, by the number of rows up to which it is for. Each block leaves
# numbers to add up, but in a large one equal values are rounded alike.
BLOCKS = {2**10: AT_ONCE, 2**17: 2**5, math.inf: 2**6}


def moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance of rows of channels in float32, and the limit.

    Returns:
        `(mean, variance, limit)`. The variance is right to 1e-6 where the square of
        the mean is at most `limit` times as large.
    """
    number = count([_row_count(x)], "float64")
    mean = total(x) / number
    variance = tf.maximum(squares(x) / number - tf.square(mean), 0.0)
    few_digits = 4.0 / _block_size(x) * tf.sqrt(tf.cast(number, "float32"))
    limit = tf.minimum(LIMIT, few_digits)
    return tf.cast(mean, "float32"), tf.cast(variance, "float32"), limit


def total(x: Tensor) -> Tensor:
    """The sum of rows of channels, in float64."""
    blocks, rest = _blocks(x)
    sums = tf.linalg.matmul(tf.ones((1, blocks.shape[0])), blocks)
    return _added_up(tf.cast(sums, "float64"), rest, x.shape[-1])


def squares(x: Tensor) -> Tensor:
    """The sum of the squares of rows of channels, in float64."""
    blocks, rest = _blocks(x)
    # Of few rows at a time, which are far apart in memory; so are the rows of these.
    norms = _norms(tf.reshape(blocks, (AT_ONCE, -1)))
    if blocks.shape[0] > AT_ONCE:
        norms = _norms(tf.reshape(norms, (blocks.shape[0] // AT_ONCE, -1)))
    rest = None if rest is None else tf.square(rest)
    return _added_up(tf.square(tf.cast(norms, "float64")), rest, x.shape[-1])


def _row_count(x: Tensor) -> Size:
    known = None not in x.shape[:-1]
    return math.prod(x.shape[:-1] if known else tf.unstack(tf.shape(x)[:-1]))


def _block_size(x: Tensor) -> int:
    rows = usual_count(x.shape[:-1])
    return next(size for most, size in BLOCKS.items() if rows <= most)


def _blocks(x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Blocks side by side, as many rows as a block has; the rows left, in float64."""
    channels, rows, size = x.shape[-1], _row_count(x), _block_size(x)
    flat = tf.reshape(x, (-1, channels))
    number = rows // size
    whole = number * size
    # Row i goes to block i % number.
    blocks = tf.reshape(flat[:whole], (size, number * channels))
    is_divisible = isinstance(rows, int) and rows == whole
    rest = None if is_divisible else tf.cast(flat[whole:], "float64")
    return blocks, rest


def _added_up(values: Tensor, rest: Tensor | None, channels: int) -> Tensor:
    """The sum of the blocks' values and of the rows that are left."""
    sums = tf.reduce_sum(tf.reshape(values, (-1, channels)), 0)
    return sums if rest is None else sums + tf.reduce_sum(rest, 0)


def _norms(rows: Tensor) -> Tensor:
    """The norm of each column."""
    return tf.raw_ops.EuclideanNorm(input=rows, axis=[0])
