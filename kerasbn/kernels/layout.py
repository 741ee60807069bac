"""Shapes in which the same batch normalization takes less work.

A kernel only asks which axes are kept and which are reduced, so neighbours of the
same kind can be one: `(N, H, W, C)` that keeps its last axis is `(N * H * W, C)`,
`(N, C, H, W)` that keeps axis 1 is `(N, C, H * W)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Size = Any  # int, or a tensor where the size is not known


def reduced_axes(rank: int, kept: Sequence[int]) -> tuple[int, ...]:
    """The axes of a tensor of `rank` that are not kept."""
    return tuple(axis for axis in range(rank) if axis not in kept)


def neighbours(axes: Sequence[int]) -> list[list[int]]:
    """Axes, ascending, in runs of those that are next to each other."""
    runs: list[list[int]] = []
    for axis in axes:
        if runs and runs[-1][-1] == axis - 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return runs


def merged(
    shape: Sequence[Size], kept: Sequence[int]
) -> tuple[tuple[Size, ...], tuple[int, ...]]:
    """`shape` with neighbours of the same kind as one axis, and its kept axes."""
    sizes: list[Size] = []
    kinds: list[bool] = []
    for axis, size in enumerate(shape):
        kind = axis in kept
        if kinds and kinds[-1] == kind:
            sizes[-1] = sizes[-1] * size
        else:
            sizes.append(size)
            kinds.append(kind)
    return tuple(sizes), tuple(axis for axis, kind in enumerate(kinds) if kind)
