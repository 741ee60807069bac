"""Batch statistics and normalization in JAX.

XLA fuses plain code, and sums in trees. All there is to gain is not to hinder it, and
to have it compile calls outside of `jax.jit` too.
"""

from __future__ import annotations

import functools
from typing import Any

import jax

from kerasbn.kernels import generic
from kerasbn.kernels.base import Normalization, Normalized
from kerasbn.kernels.layout import merged, reduced_axes

Tensor = Any

normalize_masked_batch = generic.normalize_masked_batch
repeats = generic.repeats
may_be_repeated = generic.may_be_repeated


def normalize_batch(x: Tensor, how: Normalization) -> Normalized:
    """See `generic.normalize_batch`."""
    if x.size == 0:
        return generic.normalize_batch(x, how)
    if how.correction is None:
        y, mean, variance = _normalize_batch(
            x, how.gamma, how.beta, how.kept, how.epsilon
        )
        return Normalized(y, mean, variance, None)
    origin, rest, variance = _moments(x, how.kept)
    mean = origin + rest
    affine = how.affine(mean, variance)
    y = _apply(x, origin, rest, variance, *affine, how.kept, how.epsilon)
    return Normalized(y, mean, variance, None)


def normalize(x: Tensor, mean: Tensor, variance: Tensor, how: Normalization) -> Tensor:
    """See `generic.normalize`."""
    return _normalize(x, mean, variance, how.gamma, how.beta, how.kept, how.epsilon)


_compiled = functools.partial(jax.jit, static_argnames=("kept", "epsilon"))


@_compiled
def _normalize(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    kept: tuple[int, ...],
    epsilon: float,
) -> Tensor:
    how = Normalization(kept, epsilon, gamma, beta)
    return generic.normalize(x, mean, variance, how)


@_compiled
def _normalize_batch(
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    kept: tuple[int, ...],
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    origin, rest, variance = _moments(x, kept)
    y = _apply(x, origin, rest, variance, gamma, beta, kept, epsilon)
    return y, origin + rest, variance


@functools.partial(jax.jit, static_argnames=("kept",))
def _moments(x: Tensor, kept: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """The mean as first found, what rounding took from it, and the variance.

    Where |mean| >> std, far less is lost to rounding if that is subtracted before
    anything more is summed. The two sums of the differences are one pass.
    """
    sizes, axes = merged(x.shape, kept)
    wide = generic.widened(x).reshape(sizes)
    reduced = reduced_axes(len(sizes), axes)
    origin = jax.lax.stop_gradient(wide.mean(reduced, keepdims=True))
    differences = wide - origin
    shape = tuple(x.shape[axis] for axis in kept)
    rest = differences.mean(reduced)
    squares = jax.numpy.square(differences).mean(reduced)
    variance = jax.numpy.maximum(squares - jax.numpy.square(rest), 0)
    return origin.reshape(shape), rest.reshape(shape), variance.reshape(shape)


@_compiled
def _apply(
    x: Tensor,
    origin: Tensor,
    rest: Tensor,
    variance: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    kept: tuple[int, ...],
    epsilon: float,
) -> Tensor:
    scale = jax.lax.rsqrt(variance + epsilon)
    scale = scale if gamma is None else scale * gamma
    offset = -rest * scale if beta is None else beta - rest * scale
    differences = generic.widened(x) - generic.spread(origin, x, kept)
    y = differences * generic.spread(scale, x, kept) + generic.spread(offset, x, kept)
    return y.astype(x.dtype)
