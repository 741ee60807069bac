"""Calls of BN, or of a network with BN, that write `training` out as a constant."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ....semantics import FUNCTIONAL_FLAG_IS_OVERRIDDEN
from ... import names
from ..networks.contents import kinds_held
from ..networks.frozen import freezes
from ..networks.released import Release, released_elsewhere
from ..networks.sublayers import may_depend_on_phase
from ..reading import hints
from ..reading.keras_versions import keras_for
from ..reading.memo import found_once
from ..reading.nodes import last_word
from ..reading.reach import may_reach
from ..reading.values import (
    Class,
    Known,
    Parameter,
    Result,
    Routine,
)
from ..resolving.classes import keyword
from ..resolving.heirs import heirs_show
from ..resolving.resolve import values
from ..resolving.saying import FLAG, How, Said, says
from ..resolving.symbolic import fitted_graph
from ..statistics.batch_norm_calls import (
    calls_base,
    flag_of,
    is_batch_norm,
    is_function,
    is_of_graphs,
)
from .flag_places import FlagPlace, flag_place
from .fresh_layers import fresh_batch_norms
from .given_flags import given_flag
from .left_defaults import left_at_default

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value

# Two, as a pattern that begins with a word is found in a tenth of the time.
_NAMED_FLAG = re.compile(r"training(?:[\"']\]?\s*[=:]|\s*=)")
_PLACED_FLAG = re.compile(r",\s*(?:True|False|None)\b")


@dataclass(frozen=True)
class Flagged:
    """A call with a constant flag.

    Attributes:
        value: the flag.
        call: the call.
        node: the argument that gives it.
        where: whether it is in a `call` or builds a graph.
        is_layer: whether BN itself is called, not a network that holds BN.
        is_function: whether it is BN as a function of TensorFlow 1.
        of_graphs: whether it is BN of TensorFlow 1 in any form.
        kept_still: whether names say that the network is not meant to learn.
        maybe_frozen: whether the module freezes something that may be this.
        fitted: whether the module compiles or fits a graph that it is part of.
        noisy: whether the module also has dropout that never stops, as in pix2pix.
        in_training: whether its function makes the op that trains, so that its graph
            may be for training alone.
        by_default_of: the method whose default the flag is, as no call passes another.
        by_calls_of: the method whose calls all pass it.
        only_drops: whether there is dropout, and no BN; that only of such a default.
        is_switch: whether it comes from a constant, or entry, that has a name and may
            be meant to be edited.
        unknown: whether it is a layer out of sight; that only of such a default, too.
        of_base: whether a layer that extends BN passes it to its base.
    """

    value: bool | None
    call: ast.Call
    node: ast.AST
    where: FlagPlace
    is_layer: bool
    is_function: bool
    of_graphs: bool
    kept_still: bool
    maybe_frozen: bool
    fitted: bool
    noisy: bool
    in_training: bool
    by_default_of: str = ""
    by_calls_of: str = ""
    only_drops: bool = False
    is_switch: bool = False
    unknown: bool = False
    of_base: bool = False


@found_once
def flagged_calls(module: Module) -> Iterator[Flagged]:
    """Yield each call of BN, or of what holds BN, with a constant flag."""
    if not (module.matches(_NAMED_FLAG) or module.matches(_PLACED_FLAG)):
        return
    if not (may_reach(module, _may_be_flagged) or heirs_show(module, _may_be_flagged)):
        return
    for call in module.calls:
        said = flag_of(module, call) or _collecting(module, call)
        if said is None or call in fresh_batch_norms(module):
            continue  # a layer that lasts for one call has another fault
        held = _held(module, call, said)
        where = None if held is None else flag_place(module, call, held is _Held.LAYER)
        if held is None or where is None:
            continue
        given = given_flag(module, call, said, where)
        if given is None or (held is _Held.UNKNOWN and not given.is_left):
            continue
        in_graph = where is FlagPlace.GRAPH
        assert said.node is not None
        yield Flagged(
            value=given.value,
            call=call,
            node=said.node,
            where=where,
            is_layer=held is _Held.LAYER,
            is_function=is_function(module, call),
            of_graphs=is_of_graphs(module, call),
            kept_still=_is_kept_still(module, call, in_sight=given.is_left),
            maybe_frozen=_maybe_frozen(module, call),
            fitted=in_graph and _is_fitted(module, call),
            noisy=in_graph and _has_endless_dropout(module),
            in_training=_stands_beside_optimizer(module, call),
            by_default_of=given.by_default_of,
            by_calls_of=given.by_calls_of,
            only_drops=held is _Held.DROPOUT,
            is_switch=given.is_switch,
            unknown=held is _Held.UNKNOWN,
            of_base=calls_base(module, call),
        )


class _Held(Enum):
    """What is called with a flag."""

    LAYER, NETWORK, DROPOUT, UNKNOWN = range(4)


def _held(module: Module, call: ast.Call, said: Said) -> _Held | None:
    """What is called: BN, or what holds it.

    Where the flag is left to a default, also what only drops, or is out of sight: else
    a constant makes dropout sample, or not.
    """
    if is_batch_norm(module, call):
        return _Held.LAYER
    if _is_network(module, call):
        return _Held.NETWORK
    if left_at_default(module, said) is None:
        return None
    if _is_network(module, call, names.DROPOUT):
        return _Held.DROPOUT
    return _Held.UNKNOWN if may_depend_on_phase(module, call.func) else None


def _is_fitted(module: Module, call: ast.Call) -> bool:
    """Whether the graph that it is part of is compiled or fitted here, or elsewhere."""
    return call in _fitted(module) or _release(module, call) is Release.FITTED


@found_once
def _fitted(module: Module) -> Iterator[ast.AST]:
    yield from fitted_graph(module)


def _may_be_flagged(text: str) -> bool:
    return names.mentions_batch_norm(text) or names.mentions_dropout(text)


def _is_kept_still(module: Module, call: ast.Call, in_sight: bool) -> bool:
    """Whether its name says so, or it is or may be trained already.

    Unknown for a network that is passed in, unless the argument is in sight.
    """
    trained = any(
        (isinstance(value, Parameter) and not in_sight) or _has_weights(value)
        for value in values(module, call.func)
    )
    return trained or hints.keeps_still(ast.unparse(call.func))


def _has_weights(network: Value) -> bool:
    """Whether it is a network of keras.applications that comes with its weights."""
    match network:
        case Result(maker=Known(name), call=made) if names.is_application(name):
            given = keyword(made, "weights")
            return not (isinstance(given, ast.Constant) and given.value is None)
    return False


def _maybe_frozen(module: Module, call: ast.Call) -> bool:
    """Whether something is frozen here whose extent is not known."""
    if freezes(module).covers(call.func):
        return False  # frozen, and unfrozen again
    if module.may_hide("trainable"):
        return True
    return freezes(module).anything or any(
        "freez" in name for name in module.calls_by_name
    )


def _has_endless_dropout(module: Module) -> bool:
    """Whether a dropout layer is called with a constant `training=True`."""
    return any(
        isinstance(value, Result)
        and isinstance(value.maker, Known)
        and names.DROPOUT in names.kinds_named(value.maker.name)
        for call in module.calls
        if keyword(call, FLAG) is not None and says(module, call).is_constant(True)
        for value in values(module, call.func)
    )


def _stands_beside_optimizer(module: Module, call: ast.Call) -> bool:
    function = module.scopes.enclosing_function(call)
    return function is not None and any(
        module.scopes.enclosing_function(other) is function
        for word in ("minimize", "compute_gradients", "apply_gradients")
        for other in module.calls_by_name.get(word, ())
    )


def _collecting(module: Module, call: ast.Call) -> Said | None:
    """What a call says by the `**kwargs` of its function, if these are all it gets."""
    if any(argument.arg is None for argument in call.keywords):
        said = says(module, call)
        return said if said.packed and said.how is How.PASSED_ON else None
    return None


def _is_network(module: Module, call: ast.Call, kind: str = names.BATCH_NORM) -> bool:
    """Whether an instance is called that holds BN, or layers of another kind."""
    if keyword(call, FLAG) is None or last_word(call.func) == "stateless_call":
        return False
    makers = (Known, Class, Routine)
    if any(isinstance(value, makers) for value in values(module, call.func)):
        return False
    even_frozen = not freezes(module).for_good(call.func) or bool(
        _release(module, call)
    )
    return kind in kinds_held(module, call.func, even_frozen)


def _release(module: Module, call: ast.Call) -> Release:
    """What other files do with a frozen network, where the flag does not settle it."""
    if keras_for(module).has(FUNCTIONAL_FLAG_IS_OVERRIDDEN):
        return released_elsewhere(module, call)
    return Release.NONE
