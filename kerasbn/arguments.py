"""Checks of the layer's arguments."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def checked_axis(axis: Any) -> int | list[int]:
    """Return `axis` as plain ints: an int for one axis, a list for several.

    Raises:
        ValueError: If it is not an int or a list or tuple of distinct ints.
    """
    axes = [_plain_int(a) for a in (axis if isinstance(axis, list | tuple) else [axis])]
    if not axes or None in axes or len(set(axes)) < len(axes):
        raise ValueError(
            "`axis` must be an integer, or a non-empty list or tuple of distinct "
            f"integers. Received: axis={axis!r}"
        )
    return axes[0] if len(axes) == 1 else axes  # type: ignore[return-value]


def resolved_axes(
    axis: int | Sequence[int], input_shape: Sequence[int | None]
) -> tuple[int, ...]:
    """Return the axes of an input of that shape, ascending and non-negative.

    Raises:
        ValueError: If an axis is out of range or named twice (as 1 and as -1).
    """
    rank = len(input_shape)
    axes = [axis] if isinstance(axis, int) else list(axis)
    resolved = sorted(a + rank if a < 0 else a for a in axes)
    if resolved[0] < 0 or resolved[-1] >= rank or len(set(resolved)) < len(resolved):
        raise ValueError(
            "`axis` must name distinct axes of the input, from "
            f"{-rank} to {rank - 1}. Received: axis={axis}, input_shape={input_shape}"
        )
    return tuple(resolved)


def checked_momentum(name: str, momentum: Any) -> float:
    """Return `momentum` as a float in [0, 1); errors call the argument `name`."""
    value = _plain_float(momentum)
    if not 0 <= value < 1:
        raise ValueError(
            f"`{name}` must be a number in [0, 1): the share of the old statistic that "
            f"is kept (PyTorch's 0.1 is 0.9 here). Received: {name}={momentum!r}"
        )
    return value


def checked_epsilon(epsilon: Any) -> float:
    """Return `epsilon` as a positive, finite float."""
    value = _plain_float(epsilon)
    if not 0 < value < math.inf:
        raise ValueError(
            "`epsilon` must be a positive number: it prevents division by zero where "
            f"the variance is 0. Received: epsilon={epsilon!r}"
        )
    return value


def checked_flag(name: str, flag: Any) -> bool:
    """Return `flag` if it is a bool; errors call the argument `name`."""
    if not isinstance(flag, bool):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={flag!r}")
    return flag


def checked_group_size(size: Any) -> int | None:
    """Return `virtual_batch_size` as a positive int, or `None`."""
    value = None if size is None else _plain_int(size)
    if size is not None and (value is None or value < 1):
        raise ValueError(
            "`virtual_batch_size` must be a positive number of samples, or None for "
            f"the whole batch. Received: virtual_batch_size={size!r}"
        )
    return value


def _plain_int(value: Any) -> int | None:
    """Return a Python or NumPy integer as an int; `None` for anything else."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _plain_float(value: Any) -> float:
    """Return a Python or NumPy number as a float; NaN for anything else."""
    if isinstance(value, bool | str):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
