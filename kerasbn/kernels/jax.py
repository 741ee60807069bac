"""Batch statistics and normalization in JAX.

XLA fuses what is written plainly, and its sums are exact enough to be used as they
are. What can be gained is not to hinder it, and to have it compile what is called
outside of `jax.jit` too.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from kerasbn.kernels import generic
from kerasbn.kernels.layout import merged, reduced_axes

Tensor = Any

_compiled = functools.partial(jax.jit, static_argnames=("kept", "epsilon"))


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
    return _scaled(x, kept, mean, variance, gamma, beta, epsilon), mean, variance, None


normalize = _compiled(generic.normalize)


@_compiled
def _normalize_batch(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    mean, variance = _moments(x, kept)
    return _scaled(x, kept, mean, variance, gamma, beta, epsilon), mean, variance


@functools.partial(jax.jit, static_argnames=("kept",))
def _moments(x: Tensor, kept: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    sizes, axes = merged(x.shape, kept)
    wide = generic.widened(x).reshape(sizes)
    reduced = reduced_axes(len(sizes), axes)
    shape = tuple(x.shape[axis] for axis in kept)
    return wide.mean(reduced).reshape(shape), wide.var(reduced).reshape(shape)


@_compiled
def _scaled(
    x: Tensor,
    kept: tuple[int, ...],
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> Tensor:
    """`generic.normalize`, but for the gradient's sake.

    With `(x - mean) * scale` that would keep another tensor in memory.
    """
    scale = jax.lax.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma
    offset = -mean * scale
    if beta is not None:
        offset = offset + beta
    wide = generic.widened(x)
    y = wide * generic.spread(scale, x, kept) + generic.spread(offset, x, kept)
    return y.astype(x.dtype)
