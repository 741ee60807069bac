"""Batch statistics and normalization in PyTorch, by its native kernel.

It knows channels with a stride: `(A, C, B)` as it is, rows of channels as an image
of one column in the channels-last format.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from kerasbn.kernels import generic
from kerasbn.kernels.accuracy import is_inaccurate
from kerasbn.kernels.layout import merged, reduced_axes

if TYPE_CHECKING:
    from collections.abc import Callable

Tensor = Any


def normalize_batch(
    x: Tensor,
    kept: tuple[int, ...],
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
    correction: generic.Correction | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """See `generic.normalize_batch`."""
    if x.numel() == 0:
        return generic.normalize_batch(x, kept, gamma, beta, epsilon, correction)
    if correction is not None:
        y, mean, variance, counted = normalize_batch(
            generic.widened(x), kept, None, None, epsilon
        )
        gamma, beta = correction(mean, variance, gamma, beta)
        y = y * generic.spread(gamma, x, kept) + generic.spread(beta, x, kept)
        return y.to(x.dtype), mean, variance, counted
    channels, restored = _as_channels(x, kept)
    y, mean, variance = _native(channels, _flat(gamma), _flat(beta), epsilon)
    inaccurate = _inaccurate(mean, variance, channels)
    if inaccurate is not None:
        mean, variance = _exact_moments(channels)
        shift = torch.where(inaccurate, mean, 0).to(x.dtype)
        per_channel = shift.reshape(1, -1, *[1] * (channels.dim() - 2))
        y, *_ = _native(channels - per_channel, _flat(gamma), _flat(beta), epsilon)
    shape = tuple(x.shape[axis] for axis in kept)
    return restored(y), mean.reshape(shape), variance.reshape(shape), None


def normalize(
    x: Tensor,
    kept: tuple[int, ...],
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> Tensor:
    """See `generic.normalize`."""
    if x.numel() == 0:
        return generic.normalize(x, kept, mean, variance, gamma, beta, epsilon)
    channels, restored = _as_channels(x, kept)
    moments = mean.reshape(-1).detach(), variance.reshape(-1).detach()
    y = _operation(channels, _flat(gamma), _flat(beta), *moments, False, epsilon)
    return restored(y)


def _flat(t: Tensor | None) -> Tensor | None:
    return None if t is None else t.reshape(-1)


def _as_channels(
    x: Tensor, kept: tuple[int, ...]
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """`x` with its channels in axis 1, and the function that undoes it."""
    sizes, axes = merged(tuple(x.shape), kept)
    x_merged = x.reshape(sizes)
    if axes == (1,) and len(sizes) == 3:
        return x_merged, lambda y: y.reshape(x.shape)
    order = (*reduced_axes(len(sizes), axes), *axes)
    ordered = x_merged.permute(order)
    channels = math.prod(sizes[axis] for axis in axes)

    def restored(y: Tensor) -> Tensor:
        y = y.permute(0, 2, 3, 1).reshape(ordered.shape)
        back = sorted(range(len(order)), key=order.__getitem__)
        return y.permute(back).reshape(x.shape)

    rows = ordered.reshape(-1, 1, 1, channels)
    return rows.permute(0, 3, 1, 2), restored


def _wide_dtype(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _native(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`y`, mean and biased variance."""
    dtype = _wide_dtype(x)
    # With a momentum of 1 the running statistics become the batch's.
    mean, variance = torch.zeros((2, x.shape[1]), dtype=dtype, device=x.device).unbind()
    y = _operation(x, gamma, beta, mean, variance, True, epsilon)
    count = x.numel() // x.shape[1]
    # It divides by N - 1, which says nothing about a single position.
    unbiased = variance if count > 1 else torch.zeros_like(variance)
    return y, mean, unbiased * ((count - 1) / count)


def _exact_moments(x: Tensor) -> list[Tensor]:
    """Mean and biased variance, which only move the running statistics."""
    positions = [axis for axis in range(x.dim()) if axis != 1]
    variance, mean = torch.var_mean(x.detach().double(), positions, correction=0)
    return [moment.to(_wide_dtype(x)) for moment in (mean, variance)]


def _operation(
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    training: bool,
    epsilon: float,
) -> Tensor:
    """`torch.nn.functional.batch_norm`, which refuses batches of one position."""
    enabled = torch.backends.cudnn.enabled
    return torch.batch_norm(
        x, gamma, beta, mean, variance, training, 1.0, epsilon, enabled
    )


def _inaccurate(mean: Tensor, variance: Tensor, x: Tensor) -> Tensor | None:
    """Channels whose moments are not those of the data, `None` for no channel.

    On the CPU rows of channels are added up one by one, as in TensorFlow's fused
    operation: see there. Accelerators and compiled code sum in trees.
    """
    rows = x.shape[-1] == 1
    if not rows or x.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    found = is_inaccurate(mean, variance, x.numel() // x.shape[1])
    return found if found.any() else None
