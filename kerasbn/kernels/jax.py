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
from kerasbn.kernels.layout import reduced_axes

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
    wide = generic.widened(x)
    reduced = reduced_axes(x.ndim, kept)
    mean, variance = jnp.mean(wide, reduced), jnp.var(wide, reduced)
    scale = jax.lax.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma
    # With plain `(x - mean) * scale`, the gradient through `mean` is a sum over what
    # already holds that through `scale`: one more tensor in memory.
    centre = jax.lax.stop_gradient(mean)
    offset = (centre - mean) * scale
    if beta is not None:
        offset = offset + beta
    y = (wide - generic.spread(centre, x, kept)) * generic.spread(scale, x, kept)
    y = y + generic.spread(offset, x, kept)
    return y.astype(x.dtype), mean, variance, None
