"""Layers and operators that an affine map passes on its way to a linear layer.

A carrier is a layer or an operator without trained weights that does not mix values
which the map treats differently. With f the carrier, s * f(x) + t = f(s' * x + t').
Backward, a map of its output becomes one of each input; forward, the maps of its
inputs become one of its output. If that is not possible, `CannotCarry` says why.

Supporting a class takes one entry in `LAYERS` or `OPERATORS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasbn.folding.carry import fixed, joining, shape, space
from kerasbn.folding.carry.base import CannotCarry, Site, single

if TYPE_CHECKING:
    from kerasbn.folding.affine import Affine
    from kerasbn.folding.carry.base import Carrier
    from kerasbn.graph import Call

__all__ = ["LAYERS", "OPERATORS", "CannotCarry", "Site", "carrier"]


def carrier(call: Call) -> Carrier | None:
    """Return the carrier of a call; None if maps cannot pass it."""
    layer = call.layer
    if layer.entry.is_operator:
        return OPERATORS.get(layer.class_name)
    return LAYERS.get(layer.kind or "")


def _unchanged(site: Site, affine: Affine) -> Affine:
    """A map past a layer that does nothing at inference."""
    if site.call.training:
        raise CannotCarry("is called with training=True")
    return affine


def _activation(site: Site, affine: Affine) -> Affine:
    if site.config.get("activation") != "linear":
        raise CannotCarry("is not linear")
    return affine


_SAME = single(_unchanged)
_ADD = fixed.arithmetic(fixed.total, joining.SUM, signs=(1, 1))
_SUBTRACT = fixed.arithmetic(fixed.difference, joining.DIFFERENCE, signs=(1, -1))
_RANKS = (1, 2, 3)

LAYERS = {
    **dict.fromkeys(
        (
            *("Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D"),
            *("SpatialDropout3D", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
        ),
        _SAME,
    ),
    "Activation": single(_activation),
    "Flatten": shape.flattening(),
    "Reshape": shape.reshaping(),
    "Permute": shape.permuting(shape.order_of_permute),
    **{f"Cropping{n}D": space.cropping(n) for n in _RANKS},
    **{f"ZeroPadding{n}D": space.zero_padding(n) for n in _RANKS},
    **{f"UpSampling{n}D": space.averaging(n) for n in _RANKS},
    **{f"AveragePooling{n}D": space.averaging(n) for n in _RANKS},
    **{f"MaxPooling{n}D": space.max_pooling(n) for n in _RANKS},
    **{f"GlobalAveragePooling{n}D": space.GLOBAL_MEAN for n in _RANKS},
    **{f"GlobalMaxPooling{n}D": space.GLOBAL_MAXIMUM for n in _RANKS},
    "Concatenate": fixed.of_tensors(joining.CONCATENATION),
    "Add": _ADD,
    "Subtract": _SUBTRACT,
    "Multiply": fixed.arithmetic(fixed.product),
    "Average": fixed.of_tensors(joining.MEAN),
    "Maximum": fixed.of_tensors(joining.EXTREME),
    "Minimum": fixed.of_tensors(joining.EXTREME),
    "Rescaling": fixed.fixed(fixed.rescaling),
    "Normalization": fixed.fixed(fixed.normalization),
}
"""Layer class -> its carrier. The names are those of `keras.layers`."""

OPERATORS = {
    "Identity": _SAME,
    "StopGradient": _SAME,
    "Reshape": shape.reshaping(),
    "Transpose": shape.permuting(shape.order_of_transpose),
    "Swapaxes": shape.permuting(shape.order_of_swapaxes),
    "Moveaxis": shape.permuting(shape.order_of_moveaxis),
    "ExpandDims": shape.expanding(),
    "Squeeze": shape.squeezing(),
    "Mean": space.MEAN,
    "Max": space.MAXIMUM,
    "Concatenate": fixed.of_tensors(joining.CONCATENATION),
    "Add": _ADD,
    "Subtract": _SUBTRACT,
    "Multiply": fixed.arithmetic(fixed.product),
    "Divide": fixed.arithmetic(fixed.quotient),
    "TrueDivide": fixed.arithmetic(fixed.quotient),
    "Negative": fixed.fixed(fixed.negative),
    "Maximum": fixed.arithmetic(fixed.cut_off, joining.EXTREME),
    "Minimum": fixed.arithmetic(fixed.cut_off, joining.EXTREME),
}
"""Operator class -> its carrier. The names are those of `keras.ops`."""
