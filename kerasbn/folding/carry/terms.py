"""Constants that a model adds, and how they take in an affine map.

    behind it:    s * (x + c) + t    =    s * x + c'         c' = s * c + t
    before it:    (s * x + t) + c    =    s * (x + c')       c' = (c + t) / s

What is left is a scale alone. So it passes where a constant that differs from place to
place would make a shift that does, and where a shift would meet zero padding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import ml_dtypes
import numpy as np

from kerasbn.folding.affine import Affine
from kerasbn.folding.carry.base import CannotCarry, check_size, known

if TYPE_CHECKING:
    from kerasbn.folding.affine import Float64
    from kerasbn.folding.carry.base import Site
    from kerasbn.graph.rewriting import Argument


class Term(NamedTuple):
    """A constant that is added to a tensor: `sign * x + own_sign * constant`.

    Attributes:
        argument: where it stands.
        constant: its value.
        own_sign: 1, or -1 where it is subtracted.
        sign: 1, or -1 where the tensor is subtracted from it.
        dtype: the floating dtype in which new values are stored.
    """

    argument: Argument
    constant: Float64
    own_sign: int
    sign: int
    dtype: str

    def backward(self, site: Site, affine: Affine) -> tuple[Affine, Float64]:
        """The map of the tensor for a map of the sum, and the new constant."""
        _check_not_stretched(site, affine)
        value = affine.scale * self.constant + self.own_sign * affine.shift
        return _scale_of(affine), self._checked(value)

    def forward(self, site: Site, affine: Affine) -> tuple[Affine, Float64]:
        """The map of the sum for a map of the tensor, and the new constant."""
        _check_not_stretched(site, affine)
        if not affine.is_invertible:
            raise CannotCarry("adds a constant to what a gamma of the BN makes 0")
        shift = self.own_sign * self.sign * affine.shift
        return _scale_of(affine), self._checked((self.constant + shift) / affine.scale)

    def _checked(self, value: Float64) -> Float64:
        largest = float(ml_dtypes.finfo(self.dtype).max)  # type: ignore[no-untyped-call]
        if not (np.abs(value) <= largest).all():
            raise CannotCarry(f"would get a constant too large for {self.dtype}")
        check_size(value.shape)
        return value


def _scale_of(affine: Affine) -> Affine:
    return Affine(affine.scale, np.zeros(()))


def _check_not_stretched(site: Site, affine: Affine) -> None:
    """Check that the tensor has all of the axes along which the scale differs."""
    shape, full = known(site.inputs[0]), known(site.output)
    if len(shape) != len(full) or any(
        shape[axis] != full[axis] or shape[axis] is None for axis in affine.axes
    ):
        raise CannotCarry("stretches its input along an axis of the BN")


def dtype_of(constant: Any, tensor: Any) -> str:
    """The dtype of a constant that gets other values, given both as written.

    An array of floats keeps its own; what is left takes that of the tensor.

    Raises:
        CannotCarry: if neither holds floats.
    """
    for each in (constant, tensor):
        dtype = str(each["config"].get("dtype")) if isinstance(each, dict) else ""
        if "float" in dtype:
            return dtype
    raise CannotCarry("adds integers")
