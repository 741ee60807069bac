"""Folded weights in the dtype in which the file stores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kerasbn.archive import Blockwise, Place
    from kerasbn.folding.affine import Float64


@dataclass
class Rounded:
    """A float64 array rounded to a narrower dtype, block by block.

    Attributes:
        exact: the array.
        dtype: the floating dtype.
        path: the path of the layer that it belongs to.
        is_lossy: whether a value of the blocks computed so far lost more than rounding
            takes, because it is subnormal or 0.
    """

    exact: Blockwise
    dtype: np.dtype[Any]
    path: str
    is_lossy: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.exact.shape

    def __getitem__(self, place: Place) -> NDArray[Any]:
        """Return the rounded values at one place.

        Raises:
            UnusableFileError: if one of them is too large for the dtype.
        """
        exact = self.exact[place]
        with np.errstate(over="ignore", under="ignore"):
            rounded = exact.astype(self.dtype)
        if rounded.size:
            self._check(exact, rounded)
        return rounded

    def _check(self, exact: Float64, rounded: NDArray[Any]) -> None:
        magnitudes = np.abs(rounded)
        if not np.isfinite(magnitudes.max()):
            raise UnusableFileError(
                f"A folded weight of `{self.path}` is too large for {self.dtype.name}. "
                f"Received: {np.abs(exact).max():.3g}. Save the model in float32 or "
                "bfloat16 and fold that."
            )
        # Of values no smaller than this, rounding takes a hundredth at most.
        normal = ml_dtypes.finfo(self.dtype).smallest_normal  # type: ignore[no-untyped-call]
        if magnitudes.min() < normal:
            difference = np.abs(rounded.astype(np.float64) - exact)
            self.is_lossy |= bool((difference > 0.01 * np.abs(exact)).any())
