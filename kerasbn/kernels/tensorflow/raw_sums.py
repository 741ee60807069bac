"""Moments of many rows from their sums and from those of their squares.

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
BLOCK = 2**5  # Rows.
LARGE_BLOCK = 2**6  # Of many rows, as each block leaves a row of numbers to add up.
MANY = 2**17


def moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance of rows of channels in float32, and the limit.

    Returns:
        `(mean, variance, limit)`. The variance is right to 1e-6 where the square of
        the mean is at most `limit` times as large.
    """
    channels = x.shape[-1]
    flat = tf.reshape(x, (-1, channels))
    sizes = x.shape[:-1] if None not in x.shape[:-1] else tf.unstack(tf.shape(x)[:-1])
    rows = math.prod(sizes)
    is_large = usual_count(x.shape[:-1]) > MANY
    block = LARGE_BLOCK if is_large else BLOCK
    total, squares = _sums(flat, rows, block)
    number = count([rows], "float64")
    mean = total / number
    variance = tf.maximum(squares / number - tf.square(mean), 0.0)
    limit = tf.minimum(LIMIT, 4.0 / block * tf.sqrt(tf.cast(number, "float32")))
    return tf.cast(mean, "float32"), tf.cast(variance, "float32"), limit


def _sums(flat: Tensor, rows: Size, block: int) -> tuple[Tensor, Tensor]:
    """Sums of the rows, and of their squares, in float64."""
    channels = flat.shape[-1]
    number = rows // block
    whole = number * block
    # Row i goes to block i % number.
    blocks = tf.reshape(flat[:whole], (block, number * channels))
    total = tf.linalg.matmul(tf.ones((1, block)), blocks)
    # Of few rows at a time, which are far apart in memory; so are the rows of these.
    norms = _norms(tf.reshape(blocks, (AT_ONCE, -1)))
    norms = _norms(tf.reshape(norms, (block // AT_ONCE, -1)))

    def over_blocks(values: Tensor) -> Tensor:
        return tf.reduce_sum(tf.reshape(values, (number, channels)), 0)

    total = over_blocks(tf.cast(total, "float64"))
    squares = over_blocks(tf.square(tf.cast(norms, "float64")))
    if isinstance(rows, int) and rows == whole:
        return total, squares
    rest = tf.cast(flat[whole:], "float64")
    return (
        total + tf.reduce_sum(rest, 0),
        squares + tf.reduce_sum(tf.square(rest), 0),
    )


def _norms(rows: Tensor) -> Tensor:
    """The norm of each column."""
    return tf.raw_ops.EuclideanNorm(input=rows, axis=[0])
