"""Facts about the layers that batch normalization usually follows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONV = re.compile(r"(Separable|Depthwise)?Conv(?:olution)?([123])D(Transpose)?")
DROPOUT = frozenset(
    {
        *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
        "GaussianDropout",
    }
)
"""Layers that make the variance larger in training, and only then."""


def spatial_axes(kind: str) -> int | None:
    """Return the number of axes that a convolution runs over; None for other layers."""
    match = _CONV.fullmatch(kind)
    return int(match[2]) if match else None


def is_linear(kind: str) -> bool:
    """Whether the layer multiplies its input with a kernel and adds a bias."""
    return kind == "Dense" or spatial_axes(kind) is not None


def channel_axis(kind: str, config: Mapping[str, Any]) -> int:
    """The axis of the output's channels, counted from the end."""
    spatial = spatial_axes(kind)
    if spatial is not None and config.get("data_format") == "channels_first":
        return -1 - spatial
    return -1


def axis_from_end(config: Mapping[str, Any], rank: int | None) -> int | None:
    """Return the only axis of a BN layer, counted from the end; None if not known."""
    axis = config.get("axis", -1)
    if isinstance(axis, list | tuple) and len(axis) == 1:
        (axis,) = axis  # As Keras 2 writes it.
    if not isinstance(axis, int) or isinstance(axis, bool):
        return None
    if axis < 0:
        return axis
    return None if rank is None or axis >= rank else axis - rank
