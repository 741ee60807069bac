"""Batch statistics and normalization in JAX.

XLA fuses what is written plainly, and its sums are exact enough to be used as they
are. What can be gained is not to hinder it.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from kerasbn.kernels import generic
from kerasbn.kernels.generic import normalize as normalize
from kerasbn.kernels.layout import merged, reduced_axes

Tensor = Any


def normalize_batch(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """See `generic.normalize_batch`."""
    if x.size == 0:
        return generic.normalize_batch(x, kept, gamma, beta, epsilon)
    kept_shape = tuple(x.shape[axis] for axis in kept)
    sizes, axes = merged(x.shape, kept)
    wide = generic.widened(x).reshape(sizes)
    reduced = reduced_axes(len(sizes), axes)
    mean = jnp.mean(wide, reduced, keepdims=True)
    variance = jnp.var(wide, reduced, keepdims=True)
    scale = jax.lax.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma.reshape(mean.shape)
    # With `(x - mean) * scale` the gradient would keep another tensor in memory.
    offset = -mean * scale
    if beta is not None:
        offset = offset + beta.reshape(mean.shape)
    y = (wide * scale + offset).astype(x.dtype).reshape(x.shape)
    return y, mean.reshape(kept_shape), variance.reshape(kept_shape), None
