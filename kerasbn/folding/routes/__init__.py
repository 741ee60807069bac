"""The ways for a BN to go.

Backward: the tensor x that the BN reads becomes s * x + t, and whatever makes x absorbs
that. Forward: the readers of y get x instead, and absorb s * x + t. Either way the map
travels through carriers, from tensor to tensor, until a linear layer or another BN has
absorbed it at every end; anything else in the way is an obstacle. A third way goes
backward through tensors that others read as well, who then absorb the inverse map: if
several BN layers read one linear tensor, it saves one of them; likewise if a layer is
called several times with a BN for each call.

A layer can absorb only a map that all of its calls require alike. Constants that are
added on the way may absorb a part of the map if it cannot go otherwise.
"""

from __future__ import annotations

from kerasbn.folding.routes.absorbing import Absorbing
from kerasbn.folding.routes.backward import Backward
from kerasbn.folding.routes.case import Case
from kerasbn.folding.routes.forward import Demand, Forward
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
    """Find the fold by which a BN goes a way.

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
        start = [Demand.all_readers(case, tensor.output, case.affine) for tensor in own]
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
