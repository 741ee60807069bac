"""Batch statistics and normalization in PyTorch, by its native kernels.

They know channels with a stride, `(A, C, B)`, whose sums on the CPU are taken in
float64, and rows of channels, `(N, C)`, which are added up one by one in float32:
many rows are summed in groups.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd import forward_ad

from kerasbn.kernels import generic
from kerasbn.kernels.accuracy import is_inaccurate
from kerasbn.kernels.base import Normalization, Normalized
from kerasbn.kernels.layout import merged, reduced_axes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Tensor = Any

normalize_masked_batch = generic.normalize_masked_batch

SMALL = 2**15  # Elements, `at::internal::GRAIN_SIZE`.
FEW = 2**8  # Rows, so few that one by one is exact enough.


def normalize_batch(x: Tensor, how: Normalization) -> Normalized:
    """See `generic.normalize_batch`."""
    if not _is_native(x, how.gamma, how.beta) or torch.compiler.is_compiling():
        return generic.normalize_batch(x, how)
    shape = tuple(x.shape[axis] for axis in how.kept)
    if how.correction is not None:
        found = normalize_batch(
            generic.widened(x), Normalization(how.kept, how.epsilon)
        )
        gamma, beta = how.affine(found.mean, found.variance)
        y = found.y * generic.spread(gamma, x, how.kept)
        y = y + generic.spread(beta, x, how.kept)
        return found._replace(y=y.to(x.dtype))
    channels, restored = _as_channels(x, how.kept)
    y, mean, variance = _OnBatch.apply(
        channels, _flat(how.gamma), _flat(how.beta), how.epsilon
    )
    return Normalized(restored(y), mean.reshape(shape), variance.reshape(shape), None)


def normalize(x: Tensor, mean: Tensor, variance: Tensor, how: Normalization) -> Tensor:
    """See `generic.normalize`."""
    if _is_small(x) and not torch.is_grad_enabled():
        return _normalize_small(x, mean, variance, how)
    learned = mean.requires_grad or variance.requires_grad
    if learned or not _is_native(x, how.gamma, how.beta, mean, variance):
        return generic.normalize(x, mean, variance, how)
    mean, variance = mean.detach().reshape(-1), variance.detach().reshape(-1)
    if torch.is_grad_enabled():
        # Those are kept for gradients, and the variables may be assigned meanwhile.
        mean, variance = mean.clone(), variance.clone()
    channels, restored = _as_channels(x, how.kept)
    gamma, beta = _flat(how.gamma), _flat(how.beta)
    return restored(_affine(channels, gamma, beta, mean, variance, how.epsilon))


def _normalize_small(
    x: Tensor, mean: Tensor, variance: Tensor, how: Normalization
) -> Tensor:
    """The same by plain operations, without a gradient.

    The native kernels split their work however little it is. Where the other cores are
    busy that takes milliseconds.
    """
    shape = [size if a in how.kept else 1 for a, size in enumerate(x.shape)]
    # Not in place: under `vmap` only some of these may be batched.
    scale = torch.rsqrt(variance + how.epsilon)
    if how.gamma is not None:
        scale = scale * how.gamma
    y = (x - mean.reshape(shape)) * scale.reshape(shape)
    y = y if how.beta is None else y + how.beta.reshape(shape)
    return y.to(x.dtype)


def repeats() -> bool:
    """Whether this runs within a backward pass, as `torch.utils.checkpoint` does."""
    return torch._C._current_graph_task_id() != -1


def may_be_repeated(x: Tensor) -> bool:
    """Whether `x` has values that can be kept."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    return bool(x.device.type != "meta")


def _is_native(x: Tensor, *others: Tensor | None) -> bool:
    """Whether the native kernels, and the gradients written here, can be used.

    They are not made for the transformations of `torch.func`, for forward
    differentiation, for empty batches, nor for every device.
    """
    # PyTorch has no public way to detect `vmap` and the like; it does so itself.
    if not x.numel() or torch._C._are_functorch_transforms_active():
        return False
    given = [x, *(t for t in others if t is not None)]
    is_dual = any(forward_ad.unpack_dual(t).tangent is not None for t in given)
    return x.device.type in ("cpu", "cuda") and not is_dual


def _is_small(x: Tensor) -> bool:
    """Whether PyTorch's plain operations would run in one thread of the CPU."""
    return x.device.type == "cpu" and x.numel() <= SMALL


def _flat(t: Tensor | None) -> Tensor | None:
    return None if t is None else t.reshape(-1)


def _as_channels(
    x: Tensor, kept: tuple[int, ...]
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """`x` as `(A, C, B)` or `(N, C)`, and the function that undoes it."""
    if kept == (x.dim() - 1,) and x.is_contiguous():  # The usual case, done quickly.
        return x.reshape(-1, x.shape[-1]), lambda y: y.reshape(x.shape)
    in_memory = sorted(range(x.dim()), key=lambda axis: -x.stride(axis))
    stored = tuple(axis for axis in in_memory if axis in kept)
    order = tuple(in_memory) if stored == kept else tuple(range(x.dim()))
    sizes, axes = merged([x.shape[a] for a in order], [order.index(a) for a in kept])
    if sizes[-1] == 1 and len(sizes) > 1 and len(sizes) - 1 not in axes:
        sizes = sizes[:-1]
    if axes not in ((1,), (0,)) or len(sizes) > 3:  # Kept axes that are apart.
        order = (*reduced_axes(x.dim(), kept), *kept)
        sizes = (-1, math.prod(x.shape[axis] for axis in kept))
    elif axes == (0,):
        sizes = (1, *sizes)
    ordered = x.permute(order)
    back = sorted(range(len(order)), key=order.__getitem__)
    return (
        ordered.reshape(sizes).contiguous(),
        lambda y: y.reshape(ordered.shape).permute(back),
    )


class _OnBatch(torch.autograd.Function):
    """`y`, mean and biased variance of channels, with gradients through all three."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gamma: Tensor | None,
        beta: Tensor | None,
        epsilon: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = _moments(x)
        shift, shifted, rest = None, x, mean
        if x.device.type == "cpu":  # Others sum in trees, and subtract the mean first.
            inaccurate = is_inaccurate(mean, variance, epsilon)
            if inaccurate.any():
                mean, variance = _exact_moments(x)
                shift = torch.where(inaccurate, mean, 0).to(x.dtype)
                shifted = x - _spread(shift, x)
                rest = _narrowed(mean - shift, x)
                mean, variance = _narrowed(mean, x), _narrowed(variance, x)
        y = _affine(shifted, gamma, beta, rest, variance, epsilon)
        ctx.set_materialize_grads(False)
        ctx.epsilon = epsilon
        ctx.save_for_backward(x, gamma, shift, rest, mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(
        ctx: Any,
        by_y: Tensor | None,
        by_mean: Tensor | None,
        by_variance: Tensor | None,
    ) -> tuple[Tensor | None, ...]:
        x, gamma, shift, rest, mean, variance = ctx.saved_tensors
        by_x = by_gamma = by_beta = None
        if by_y is not None:
            shifted = x if shift is None else x - _spread(shift, x)
            # It has a gradient itself, in which the moments depend on `x`.
            by_x, by_gamma, by_beta = torch.ops.aten.native_batch_norm_backward(
                by_y,
                shifted,
                gamma,
                None,
                None,
                rest.detach(),
                torch.rsqrt(variance.detach() + ctx.epsilon),
                True,
                ctx.epsilon,
                list(ctx.needs_input_grad[:3]),
            )
        count = x.numel() // x.shape[1]
        for part in _by_moments(x, mean, by_mean, by_variance, count):
            by_x = part if by_x is None else by_x + part
        return by_x, by_gamma, by_beta, None


def _by_moments(
    x: Tensor,
    mean: Tensor,
    by_mean: Tensor | None,
    by_variance: Tensor | None,
    count: int,
) -> Iterator[Tensor]:
    """Yield what the gradients by the moments add to the gradient by `x`."""
    if by_mean is not None:
        yield _spread(by_mean / count, x).expand_as(x).to(x.dtype)
    if by_variance is not None:
        share = _spread(by_variance * (2 / count), x)
        yield ((x - _spread(mean, x)) * share).to(x.dtype)


def _spread(t: Tensor, x: Tensor) -> Tensor:
    """Reshape one number per channel so that it broadcasts to `x`."""
    return t.reshape(1, -1, *[1] * (x.dim() - 2))


def _affine(
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
) -> Tensor:
    """`torch.nn.functional.batch_norm` with given moments."""
    enabled = torch.backends.cudnn.enabled
    return torch.batch_norm(
        x, gamma, beta, mean, variance, False, 0.0, epsilon, enabled
    )


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel."""
    if x.dim() == 3 or x.device.type != "cpu" or x.shape[0] <= FEW:
        return _native_moments(x)
    rows, channels = x.shape
    groups = _groups(rows)
    whole = rows // groups * groups
    # Row i goes to group i % groups: to the kernel each has channels of its own.
    found = _native_moments(x[:whole].view(-1, groups * channels))
    means, variances = (moment.view(groups, channels) for moment in found)
    mean = means.mean(0)
    variance = (variances + (means - mean).square()).mean(0)
    if whole == rows:
        return mean, variance
    other_mean, other_variance = _native_moments(x[whole:])
    share = (rows - whole) / rows
    change = other_mean - mean
    variance = variance + share * (other_variance - variance)
    return mean + share * change, variance + share * (1 - share) * change.square()


def _exact_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the moments computed in float64, which is slow."""
    positions = [axis for axis in range(x.dim()) if axis != 1]
    variance, mean = torch.var_mean(x.double(), positions, correction=0)
    return mean, variance


def _narrowed(t: Tensor, x: Tensor) -> Tensor:
    """`t` in the wide dtype of `x`."""
    return t if x.dtype == torch.float64 else t.float()


@functools.cache
def _groups(rows: int) -> int:
    """Return how many groups to split the rows into, as evenly as possible."""
    at_least = -(-rows // FEW)
    sizes = range(at_least, 2 * at_least + 1)
    return next((n for n in sizes if rows % n == 0), sizes[-1])


def _native_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    running = None, None
    if x.dtype in (torch.float16, torch.bfloat16):
        # The dtype of what it finds is that of what it would move.
        running = torch.zeros((2, x.shape[1]), device=x.device).unbind()
    return torch.batch_norm_update_stats(x, *running, 0.0)
