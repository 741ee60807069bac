"""Batch statistics and normalization in JAX.

XLA fuses what is written plainly, and its sums are exact enough to be used as they
are. What can be gained is not to hinder it, and to have it compile what is called
outside of `jax.jit` too.
"""

from __future__ import annotations

import functools
from typing import Any

import jax

from kerasbn.kernels import generic
from kerasbn.kernels.layout import merged, reduced_axes

Tensor = Any

normalize = functools.partial(jax.jit, static_argnames=("kept", "epsilon"))(
    generic.normalize
)


def normalize_batch(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
    correction: generic.Correction | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """See `generic.normalize_batch`."""
    if x.size == 0:
        return generic.normalize_batch(x, kept, gamma, beta, epsilon, correction)
    if correction is None:
        return *_normalize_batch(x, kept, gamma, beta, epsilon), None
    mean, variance = _moments(x, kept)
    gamma, beta = correction(mean, variance, gamma, beta)
    y = normalize(x, kept, mean, variance, gamma, beta, epsilon)
    return y, mean, variance, None


@functools.partial(jax.jit, static_argnames=("kept", "epsilon"))
def _normalize_batch(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    mean, variance = _moments(x, kept)
    y = normalize(x, kept, mean, variance, gamma, beta, epsilon)
    return y, mean, variance


@functools.partial(jax.jit, static_argnames=("kept",))
def _moments(x: Tensor, kept: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    sizes, axes = merged(x.shape, kept)
    wide = generic.widened(x).reshape(sizes)
    reduced = reduced_axes(len(sizes), axes)
    shape = tuple(x.shape[axis] for axis in kept)
    return wide.mean(reduced).reshape(shape), wide.var(reduced).reshape(shape)
