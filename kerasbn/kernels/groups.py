"""Ghost batch normalization: each group of samples has moments of its own.

Hoffer et al., "Train longer, generalize better" (2017),
https://arxiv.org/abs/1705.08741, algorithm 1.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from keras import ops

from kerasbn import kernels
from kerasbn.kernels import generic
from kerasbn.kernels.base import Normalization, Normalized

Tensor = Any


def normalize_groups(
    x: Tensor,
    how: Normalization,
    size: int,
    mask: Tensor | None,
    substitute: tuple[Tensor, Tensor],
) -> Normalized:
    """Normalize groups of `size` samples, the last of which may be smaller.

    Args:
        x: Float tensor with the samples along axis 0, which is not kept.
        how: As for `generic.normalize_batch`, as are the last two.
        size: Number of samples, positive.
        mask: See there.
        substitute: See there.

    Returns:
        `y`, and the averages over all groups of their means and of their variances,
        each with the weight of its number of counted positions.
    """
    samples = ops.shape(x)[0]
    number = samples // size
    whole = number * size
    if mask is not None:
        mask = ops.broadcast_to(mask, (samples, *ops.shape(mask)[1:]))
    parts = [(0, whole, number, size), (whole, samples, 1, samples - whole)]
    if isinstance(samples, int):
        parts = [part for part in parts if part[0] < part[1]] or parts[1:]
    found = [
        _normalize(
            _grouped(x[start:end], groups, length),
            _for_groups(how, groups),
            None if mask is None else _grouped(mask[start:end], groups, length),
            substitute,
        )
        for start, end, groups, length in parts
    ]
    y = ops.concatenate(
        [
            ops.reshape(normalized.y, (end - start, *ops.shape(x)[1:]))
            for (normalized, _), (start, end, *_) in zip(found, parts, strict=True)
        ],
        0,
    )
    weight, mean, variance = (
        sum(ops.sum(values, 0) for values in sums)
        for sums in zip(*(_weighted(*group) for group in found), strict=True)
    )
    counted = weight > 0
    weight = ops.maximum(weight, 1)
    always = mask is None and isinstance(samples, int) and samples > 0
    return Normalized(y, mean / weight, variance / weight, None if always else counted)


def _grouped(t: Tensor, number: Tensor | int, size: Tensor | int) -> Tensor:
    """The samples in so many groups, along a new first axis, of that size."""
    return ops.reshape(t, (number, size, *ops.shape(t)[1:]))


def _for_groups(how: Normalization, number: Tensor | int) -> Normalization:
    def repeated(t: Tensor | None) -> Tensor | None:
        return None if t is None else ops.broadcast_to(t, (number, *t.shape))

    kept = (0, *(axis + 1 for axis in how.kept))
    gamma, beta = repeated(how.gamma), repeated(how.beta)
    return dataclasses.replace(how, kept=kept, gamma=gamma, beta=beta)


def _normalize(
    x: Tensor,
    how: Normalization,
    mask: Tensor | None,
    substitute: tuple[Tensor, Tensor],
) -> tuple[Normalized, Tensor]:
    """The normalized groups, and the number of positions counted for each moment."""
    if mask is None:
        found = kernels.active.normalize_batch(x, how)
    else:
        found = generic.normalize_batch(x, how, mask, substitute=substitute)
    return found, generic.count(generic.widened(x), how.kept, mask)


def _weighted(found: Normalized, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    number = ops.shape(found.mean)[0]
    weight = ops.broadcast_to(weight, (number, *weight.shape[1:]))
    return weight, weight * found.mean, weight * found.variance
