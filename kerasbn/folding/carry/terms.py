"""Constants that a model adds, which can absorb a shift.

    after it:     s * (x + c) + t    =    s * x + c'         c' = s * c + t
    before it:    (s * x + t) + c    =    s * (x + c')       c' = (c + t) / s

What remains is a scale alone. So the map passes where a constant that differs from
place to place would make the shift differ, and where a shift would meet zero padding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from kerasbn.folding.affine import Affine
from kerasbn.folding.carry.base import CannotCarry, check_size, known

if TYPE_CHECKING:
    from kerasbn.folding.affine import Float64
    from kerasbn.folding.carry.base import Site, Term


def backward(term: Term, site: Site, affine: Affine) -> tuple[Affine, Float64]:
    """The map of the tensor for a map of the sum, and the new constant."""
    _check(term, site, affine)
    value = affine.scale * term.constant + term.own_sign * affine.shift
    return _scale_of(affine), _checked(term, value)


def forward(term: Term, site: Site, affine: Affine) -> tuple[Affine, Float64]:
    """The map of the sum for a map of the tensor, and the new constant."""
    _check(term, site, affine)
    if not affine.is_invertible:
        raise CannotCarry("adds a constant to values that a gamma of the BN makes 0")
    shift = term.own_sign * term.sign * affine.shift
    return _scale_of(affine), _checked(term, (term.constant + shift) / affine.scale)


def _checked(term: Term, value: Float64) -> Float64:
    largest = float(ml_dtypes.finfo(term.dtype).max)  # type: ignore[no-untyped-call]
    if not (np.abs(value) <= largest).all():
        raise CannotCarry(f"would get a constant too large for {term.dtype}")
    return value[np.newaxis] if term.batched else value


def _scale_of(affine: Affine) -> Affine:
    return Affine(affine.scale, np.zeros(()))


def _check(term: Term, site: Site, affine: Affine) -> None:
    """Check that the tensor has every axis along which the scale differs."""
    shape, full = known(site.inputs[0]), known(site.output)
    if len(shape) != len(full) or any(
        shape[axis] != full[axis] or shape[axis] is None for axis in affine.axes
    ):
        raise CannotCarry("stretches its input along an axis of the BN")
    shapes = (array.shape for array in (term.constant, *affine))
    check_size(np.broadcast_shapes(*shapes))


def dtype_of(constant: Any, tensor: Any) -> str:
    """The dtype for a constant that gets new values; both are given as serialised.

    An array of floats keeps its own; anything else takes that of the tensor.

    Raises:
        CannotCarry: if neither holds floats.
    """
    for operand in (constant, tensor):
        dtype = str(operand["config"].get("dtype")) if isinstance(operand, dict) else ""
        if "float" in dtype:
            return dtype
    raise CannotCarry("adds integers")
