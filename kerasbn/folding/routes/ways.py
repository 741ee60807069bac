"""What is searched for, and what is found."""

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
        route: whether the layers before it or those behind it take it in.
        correcting: whether tensors that others read, too, may change on the way; the
            others then absorb the inverse map. Backward only.
        adjusting: whether constants that are added on the way may change.
    """

    route: Route
    correcting: bool = False
    adjusting: bool = False


BACKWARD = Way("backward")
FORWARD = Way("forward")
CORRECTING = Way("backward", correcting=True)


class Absorption(NamedTuple):
    """What one layer takes in for one BN.

    Attributes:
        layer: an absorber, or another BN.
        side: whether the map is of its input or of its output.
        affine: the map.
    """

    layer: Layer
    side: Side
    affine: Affine

    def composed(self, own: Affine) -> Affine:
        """What a BN that did `own` does together with the map."""
        return (
            own.after(self.affine) if self.side == "input" else self.affine.after(own)
        )


class NewConstant(NamedTuple):
    """A constant among the arguments of a call that takes a part of a map in.

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
    """A BN that goes, and what takes it in.

    Attributes:
        batch_norm: the BN.
        route: whether the layers before it or those behind it take it in.
        absorptions: what each of these takes in.
        constants: the constants that change.
        calls: every call on the way, its own and the absorbers' among them, in
            topological order.
    """

    batch_norm: Layer
    route: Route
    absorptions: tuple[Absorption, ...]
    constants: tuple[NewConstant, ...]
    calls: tuple[Call, ...]
