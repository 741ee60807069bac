"""Absorbing an affine map of a linear layer's output, or of its input, into the layer.

A linear layer computes x * W + b. Followed by y = s * (x * W + b) + t it is the same
layer with other weights, and likewise if preceded by x = s * x' + t:

    after it:     W' = W * s over the outputs     b' = b * s + t
    before it:    W' = s * W over the inputs      b' = b + (t * W)

where t * W, the layer's response to the constant t, is the same at every place only
without zero padding. Classes differ in which entries of W lead to an output, or come
from an input. Supporting a class takes one entry in `ABSORBERS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasbn.folding.absorb.base import penalties
from kerasbn.folding.absorb.channels import Convolution, Dense, Transposed
from kerasbn.folding.absorb.depthwise import Depthwise, Separable
from kerasbn.folding.absorb.einsum import Einsum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kerasbn.folding.absorb.base import Absorber

__all__ = ["ABSORBERS", "penalties"]

ABSORBERS: Mapping[str, Absorber] = {
    "Dense": Dense(),
    "EinsumDense": Einsum(),
    **{f"Conv{n}D": Convolution(n) for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": Depthwise(n) for n in (1, 2)},
    **{f"SeparableConv{n}D": Separable(n) for n in (1, 2)},
    **{f"Conv{n}DTranspose": Transposed(n) for n in (1, 2, 3)},
}
"""Class -> its absorber. The names are those of `keras.layers`."""
