"""The ways for a BN to go.

Backward: the tensor x that the BN reads becomes s * x + t, and whatever makes x takes
that in. Forward: whoever reads y gets x instead, and takes s * x + t in. Either way
the map travels through carriers, from tensor to tensor, until a linear layer or
another BN has absorbed it at every end; anything else in the way is an obstacle.
A third way goes backward through tensors that others read as well, who then absorb the
inverse map: where several BN read one linear tensor, it saves one of them, and one
where a layer is called several times with a BN for each.

A layer may absorb only what all of its calls ask of it alike. Constants that are added
on the way may take a part of the map in, where it does not go otherwise.
"""

from __future__ import annotations

from kerasbn.folding.routes.absorbing import Absorbing
from kerasbn.folding.routes.backward import Backward
from kerasbn.folding.routes.case import Case
from kerasbn.folding.routes.forward import Forward, Telling
from kerasbn.folding.routes.ways import (
    BACKWARD,
    CORRECTING,
    FORWARD,
    Absorption,
    Fold,
    NewConstant,
    Way,
)

__all__ = [
    "BACKWARD",
    "CORRECTING",
    "FORWARD",
    "Absorption",
    "Case",
    "Fold",
    "NewConstant",
    "Way",
    "find_fold",
]


def find_fold(case: Case, way: Way) -> Fold:
    """The fold by which a BN goes a way.

    Raises:
        Obstacle: if it cannot.
    """
    absorbing = Absorbing(case)
    own = case.own_calls
    carried, calls = set(own), set(own)
    if way.route == "backward":
        backward = Backward(case, absorbing, way)
        backward.search()
        carried, calls = backward.carried, calls | backward.calls
        start = backward.others
    else:
        start = [Telling.all_readers(case, each.output, case.affine) for each in own]
    forward = Forward(case, absorbing, way, carried)
    forward.search(start)
    calls |= forward.calls
    return Fold(
        case.batch_norm,
        way.route,
        absorbing.absorptions(),
        absorbing.constants(),
        tuple(sorted(calls, key=lambda call: call.number)),
    )
