"""Moments of many rows by the fused operation, in parts.

The operation adds up rows one by one in float32. So it gets a part of the rows at a
time, as many as the caches of a CPU hold, and within a part groups of rows, each with
channels of its own. Its other results are not used.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kerasbn.kernels.tensorflow.situation import count, usual_count

if TYPE_CHECKING:
    from kerasbn.kernels.layout import Size

Tensor = Any

PART = 2**19  # Elements.
MOST_PARTS = 16
GROUP = 2**7  # Rows.


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance in float32 of rows of channels, `(..., C)`."""
    channels = x.shape[-1]
    parts, groups = _division(x)
    flat = tf.reshape(x, (-1, channels))
    sizes = x.shape[:-1] if None not in x.shape[:-1] else tf.unstack(tf.shape(x)[:-1])
    rows = math.prod(sizes)
    size = rows // (parts * groups)  # Of a group.
    whole = size * parts * groups
    grouped = tf.reshape(flat[:whole], (parts * size, 1, 1, groups * channels))
    found = [_part_moments(grouped[i * size : (i + 1) * size]) for i in range(parts)]
    means, variances = (
        tf.transpose(tf.reshape(tf.concat(pieces, 0), (parts * groups, channels)))
        for pieces in zip(*found, strict=True)
    )
    by_group = count([size], "float32")
    variances *= 1.0 - 1.0 / by_group  # It divides by N - 1, or by 1 where N is 1.
    # Along the last axis TensorFlow sums in a tree.
    mean = tf.reduce_mean(means, 1)
    between = tf.math.squared_difference(means, mean[:, tf.newaxis])
    variance = tf.reduce_mean(variances + between, 1)
    if isinstance(rows, int) and rows == whole:
        return mean, variance
    return _joined(mean, variance, tf.cast(flat[whole:], "float32"), rows, whole)


def _division(x: Tensor) -> tuple[int, int]:
    """Return how many parts to split the rows into, and how many groups per part.

    Powers of two, which most often divide the sizes of images without remainder.
    """
    elements = usual_count(x.shape)
    parts = min(_power_of_two(elements // PART), MOST_PARTS)
    return parts, _power_of_two(elements // x.shape[-1] // (parts * GROUP))


def _power_of_two(number: int) -> int:
    """The largest that is not greater, at least 1."""
    return 1 << max(number, 1).bit_length() - 1


def _part_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance."""
    ones, zeros, unused = tf.ones(x.shape[-1]), tf.zeros(x.shape[-1]), tf.zeros(0)
    return tf.raw_ops.FusedBatchNormV3(
        x=x, scale=ones, offset=zeros, mean=unused, variance=unused
    )[1:3]


def _joined(
    mean: Tensor, variance: Tensor, rest: Tensor, rows: Size, whole: Size
) -> tuple[Tensor, Tensor]:
    """Join the moments of the whole groups with those of the remaining rows, if any."""
    number = count([rows - whole], "float32")
    rest_mean = tf.reduce_sum(rest, 0) / number
    rest_variance = (
        tf.reduce_sum(tf.math.squared_difference(rest, rest_mean), 0) / number
    )
    share = tf.cast(rows - whole, "float32") / count([rows], "float32")
    has_groups = tf.cast(whole, "int32") > 0  # Else what was found means nothing.
    mean = tf.where(has_groups, mean, rest_mean)
    variance = tf.where(has_groups, variance, rest_variance)
    change = rest_mean - mean
    variance += share * (rest_variance - variance)
    return mean + share * change, variance + share * (1 - share) * tf.square(change)
