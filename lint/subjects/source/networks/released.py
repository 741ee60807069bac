"""Networks that one file freezes, and another makes trainable again.

So fine-tuning is often laid out: the graph is built around a frozen base in one file,
and a second phase in another unfreezes the base, compiles the model and fits it again.
"""

from __future__ import annotations

import ast
from enum import IntEnum
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.nodes import start
from ..resolving.callers import handed_in
from ..resolving.neighbours import files_sharing
from ..resolving.symbolic import fitted_graph, network_parts
from .freezings import freezings
from .identity import origins_of

if TYPE_CHECKING:
    from ..reading.module import Module
    from .freezings import Freezing
    from .identity import Origin


class Release(IntEnum):
    """What other files do with a network that is called here."""

    NONE = 0
    PERHAPS = 1  # some part of the model around it is unfrozen, or it is not fitted
    FITTED = 2  # it is unfrozen, and the model around it is trained


@remembered
def released_elsewhere(module: Module, call: ast.Call) -> Release:
    """Whether another file unfreezes the network that is called here."""
    home, near = files_sharing(module)
    # A file is read twice, to lint and as imported.
    here = next((one for one in home.calls if start(one) == start(call)), None)
    if here is None or len(near) == 1:
        return Release.NONE
    own = origins_of(home, here.func, far=True)
    return max(
        (
            _effect(other, change, own, here, near)
            for other in near
            if other is not home
            for change in freezings(other)
            if change.value and not change.spares_batch_norm
        ),
        default=Release.NONE,
    )


def _effect(
    module: Module,
    change: Freezing,
    own: set[Origin],
    call: ast.Call,
    near: list[Module],
) -> Release:
    """What a change is to the network, or to the model that calls it."""
    fitted = any(call in fitted_graph(one) for one in near)
    sure = Release.FITTED if fitted and not change.is_partial else Release.PERHAPS
    if not own.isdisjoint(origins_of(module, change.network, far=True)):
        return sure
    model = _whole(change.network)
    for where, whole in ((module, model), *handed_in(module, model)):
        if any(part is call for _, part in network_parts(where, whole)):
            fits = _is_fitted(module, change) and not change.is_partial
            is_model = model is change.network
            return (Release.FITTED if fits else sure) if is_model else Release.PERHAPS
    return Release.NONE


def _is_fitted(module: Module, change: Freezing) -> bool:
    """Whether what is unfrozen is compiled or fitted in the same function."""
    function = module.scopes.enclosing_function(change.node)
    return any(
        isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) == ast.unparse(change.network)
        and module.scopes.enclosing_function(call) is function
        for word in ("compile", "fit")
        for call in module.calls_by_name.get(word, ())
    )


def _whole(network: ast.expr) -> ast.expr:
    """`model` of `model.layers[1]` and of `model.get_layer("base")`."""
    while True:
        match network:
            case (
                ast.Subscript(value=ast.Attribute(value=inner, attr="layers"))
                | ast.Call(func=ast.Attribute(value=inner, attr="get_layer"))
            ):
                network = inner
            case _:
                return network
