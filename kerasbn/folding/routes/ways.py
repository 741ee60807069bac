"""The terms of the search: ways to go, and the fold that is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from kerasbn.folding.absorb.base import Side
    from kerasbn.folding.affine import Affine, Float64
    from kerasbn.graph import Argument, Call, Layer

Route = Literal["backward", "forward"]


class Way(NamedTuple):
    """A way for a BN to go.

    Attributes:
        route: whether the layers before the BN or those after it absorb it.
        correcting: whether tensors that have other readers may change on the way; these
            readers then absorb the inverse map. Backward only.
        adjusting: whether constants that are added on the way may change.
    """

    route: Route
    correcting: bool = False
    adjusting: bool = False


BACKWARD = Way("backward")
FORWARD = Way("forward")
CORRECTING = Way("backward", correcting=True)


class Absorption(NamedTuple):
    """The map that one layer absorbs for one BN.

    Attributes:
        layer: an absorber, or another BN.
        side: whether the map applies to the input or to the output.
        affine: the map.
    """

    layer: Layer
    side: Side
    affine: Affine

    def composed(self, own: Affine) -> Affine:
        """Return the map of a BN that computed `own`, with this map absorbed."""
        return (
            own.after(self.affine) if self.side == "input" else self.affine.after(own)
        )


class NewConstant(NamedTuple):
    """A constant among the arguments of a call that absorbs a part of a map.

    Attributes:
        layer: the operator or merging layer that is called with it.
        argument: which argument of which call.
        value: its new value, in float64.
        dtype: the dtype in which it is stored.
    """

    layer: Layer
    argument: Argument
    value: Float64
    dtype: str


class Fold(NamedTuple):
    """A BN that goes, and the layers that absorb it.

    Attributes:
        batch_norm: the BN.
        route: whether the layers before the BN or those after it absorb it.
        absorptions: the map that each of these absorbs.
        constants: the constants that change.
        calls: every call on the way, including its own and the absorbers', in
            topological order.
    """

    batch_norm: Layer
    route: Route
    absorptions: tuple[Absorption, ...]
    constants: tuple[NewConstant, ...]
    calls: tuple[Call, ...]
