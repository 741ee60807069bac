"""Plain calls `model(x)` of networks in which preprocessing comes before BN."""

from __future__ import annotations

import ast
import builtins
import re
from typing import TYPE_CHECKING

from ....semantics import AUGMENTATION_LEAKS, NONE_IS_INFERENCE, RESIZING_LEAKS
from ... import names
from ...preprocessing import NOT_RANDOM, is_random, leaks_training
from ..networks.contents import kinds_held
from ..networks.defaults import trains_by_default
from ..networks.parts import parts_of
from ..reading.keras_versions import keras_for
from ..reading.nodes import Function, end, last_word
from ..reading.reach import may_reach
from ..reading.values import Class, Known, Result, Self, unpacks
from ..resolving.classes import calls_in, is_functional, keras_kind, reached
from ..resolving.lineage import method_of, project_lineage
from ..resolving.resolve import values
from ..resolving.saying import How, says
from ..resolving.symbolic import builds_graph
from ..training.tape_sources import is_for_inputs
from ..training.tapes import records
from .leak_order import comes_last
from .leaks import is_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Routine

_LAYERS = "keras.layers."
_NETWORKS = (Known("keras.Sequential"), Known("keras.Model"))
# What builtins, and methods of networks, arrays and collections are called.
_NO_NETWORKS = frozenset(
    (
        *dir(builtins),
        *("append", "extend", "insert", "add", "update", "pop", "get", "index"),
        *("join", "split", "format", "startswith", "endswith", "read", "write"),
        *("astype", "reshape", "transpose", "mean", "sum", "item", "numpy"),
        *("predict", "evaluate", "fit", "compile", "build", "summary", "get_layer"),
        *("save", "save_weights", "load_weights", "get_weights", "set_weights"),
    )
)
_OF_KERAS = ("__init__", "build", "call", "__call__", "compute_loss")
_STEPS = ("train_step", "test_step", "predict_step")
# The construction of such a layer. The names of random initializers and generators are
# not meant.
_MAY_LEAK = re.compile(
    r"(?:Random(?!(?:Normal|Uniform|State)\()[A-Z]\w*|RandAugment|AugMix|MixUp|CutMix"
    rf"|{'|'.join(NOT_RANDOM)})\("
)
_TRAINS_BY_DEFAULT = re.compile(r"def call\([^)]*\btraining\b[^,)=]*=\s*True\b")


def leaking_calls(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Yield each such call of a network with BN, and the layer that makes it train."""
    for call in module.calls if _may_hold_networks(module) else ():
        if len(call.args) != 1 or call.keywords or unpacks(call):
            continue
        name = last_word(call.func)
        if not name or name[0].isupper() or name in _NO_NETWORKS:
            continue  # A construction, or no network's name.
        networks = [
            value
            for value in values(module, call.func)
            if (isinstance(value, Result) and _may_leak(value))
            or (isinstance(value, Self) and _is_graph_itself(module, call, value))
        ]
        if networks and _is_plain(module, call):
            layer = _leaking_layer(module, call.func, networks)
            if layer is not None:
                yield call, layer


def leaks_in_call(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call of such a layer in a class's own `call`, where BN comes after it.

    Random layers are left out: `call` of a network that has these is for training.
    """
    seen = set()
    may_leak = module.matches(_MAY_LEAK) and keras_for(module).has(RESIZING_LEAKS)
    for node in module.classes if may_leak else ():
        cls = Class(module, node)
        if keras_kind(cls) is None:
            continue
        for routine in reached(cls, "call"):
            if routine.module is not module or routine.node in seen:
                continue
            seen.add(routine.node)
            calls = list(calls_in(module, routine.node))
            for call in calls:
                layer = _called_layer(module, call)
                if (
                    layer is None
                    or is_random(layer)
                    or not leaks_training(layer, keras_for(module))
                ):
                    continue  # a layer of the project may well be random, too
                if any(_comes_after(module, call, other) for other in calls):
                    yield call, layer


def _is_graph_itself(module: Module, call: ast.Call, value: Self) -> bool:
    """Whether a method calls its own model, a graph, outside of any step of Keras."""
    function = module.scopes.enclosing_function(call)
    name = getattr(function, "name", "")
    return (
        isinstance(call.func, ast.Name)
        and module.matches(_MAY_LEAK)
        and is_functional(value.cls)
        and name not in _OF_KERAS
        and not name.endswith("_step")
    )


def _may_leak(network: Result) -> bool:
    """Whether such a layer is built in a module that a network is built in."""
    classes = project_lineage(network.maker) if isinstance(network.maker, Class) else []
    modules = {network.module, *(owner.module for owner in classes)}
    return any(
        module.matches(_MAY_LEAK) or module.matches(_TRAINS_BY_DEFAULT)
        for module in modules
    )


def _may_hold_networks(module: Module) -> bool:
    """Whether it builds such a layer; or is not a test, and may get networks."""
    may_hold = module.matches(_MAY_LEAK) or (
        not module.is_test
        and may_reach(module, names.mentions_batch_norm)
        and may_reach(module, _may_build)
    )
    return may_hold and keras_for(module).has(AUGMENTATION_LEAKS)


def _may_build(text: str) -> bool:
    """Whether a text seems to build such a layer, or to define one."""
    return bool(_MAY_LEAK.search(text) or _TRAINS_BY_DEFAULT.search(text))


def _comes_after(module: Module, call: ast.Call, other: ast.Call) -> bool:
    """Whether another call, of BN or what holds it, takes over what this one left."""
    return (
        end(call) < end(other)
        and module.scopes.precedes(call, other)
        and _takes_over(module, other)
    )


def _takes_over(module: Module, call: ast.Call) -> bool:
    """Whether it calls what holds BN, which then is in the phase of the call before.

    Up to Keras 3.9 that is so even if the flag passed is None.
    """
    said = says(module, call)
    none = said.how is How.PASSED_ON or said.is_constant(None)
    if not (said.is_nothing or (none and not keras_for(module).has(NONE_IS_INFERENCE))):
        return False
    if any(isinstance(value, Self) for value in values(module, call.func)):
        return False
    return is_layer(module, call) and names.BATCH_NORM in kinds_held(module, call.func)


def _leaking_layer(
    module: Module, network: ast.expr, found_as: list[Result | Self]
) -> str | None:
    """The preprocessing layer of a network that holds BN as well."""
    if names.BATCH_NORM not in kinds_held(module, network):
        return None
    for value in found_as:
        found = None
        if isinstance(value, Result) and isinstance(value.maker, Class):
            found = _in_class(module, value.maker)
        found = found or _in_graph(module, network)
        if found is not None:
            return found
    return None


def _in_graph(module: Module, network: ast.expr) -> str | None:
    for where, part in parts_of(module, network):
        if isinstance(part, ast.Call):
            for value in values(where, part.func):
                name = _leaking_name(module, value)
                if name and not comes_last(module, network, (where, part)):
                    return name
    return None


def _in_class(module: Module, cls: Class) -> str | None:
    if keras_kind(cls) is None or method_of(cls, "__call__") is not None:
        return None
    routines = reached(cls, "call")
    for routine in routines:
        calls = list(calls_in(routine.module, routine.node))
        for call in calls:
            name = _called_layer(routine.module, call)
            if name is not None and (
                any(_comes_after(routine.module, call, other) for other in calls)
                or any(_is_left_open(other) for other in routines if other != routine)
            ):
                return name
    return None


def _is_left_open(routine: Routine) -> bool:
    """Whether a method calls BN without a phase."""
    calls = calls_in(routine.module, routine.node)
    return any(_takes_over(routine.module, call) for call in calls)


def _called_layer(module: Module, call: ast.Call) -> str | None:
    """Return the preprocessing layer that is called without the phase.

    In a network of layers, such as an augmentation, None leaves the phase out, too.
    """
    said = says(module, call)
    for value in values(module, call.func):
        if not isinstance(value, Result):
            continue
        name = _leaking_name(module, value.maker) if said.is_nothing else None
        if value.maker in _NETWORKS and (said.is_nothing or said.how is How.PASSED_ON):
            name = _in_graph(module, call.func)
        if name is not None:
            return name
    return None


def _leaking_name(module: Module, value: object) -> str | None:
    if isinstance(value, Class):
        return value.node.name if _leaks_default(module, value) else None
    if not (isinstance(value, Known) and value.name.startswith(_LAYERS)):
        return None
    name = value.name.removeprefix(_LAYERS)
    return name if leaks_training(name, keras_for(module)) else None


def _leaks_default(module: Module, cls: Class) -> bool:
    """Whether a layer of the project trains by default, and leaks that."""
    if keras_for(module).assumed or not keras_for(module).has(AUGMENTATION_LEAKS):
        return False
    return keras_kind(cls) == "layer" and trains_by_default(cls)


def _runs_in_keras(module: Module, function: Function | None) -> bool:
    """Whether it is a method that Keras runs, or that these lead to."""
    owner = None if function is None else module.owner_of(function)
    if owner is None or keras_kind(Class(module, owner)) is None:
        return False
    return any(
        routine.node is function
        for name in (*_OF_KERAS, *_STEPS)
        for routine in reached(Class(module, owner), name)
    )


def _is_plain(module: Module, call: ast.Call) -> bool:
    """Whether it computes something, with no phase around it."""
    of_self = any(isinstance(value, Self) for value in values(module, call.func))
    if not of_self and _runs_in_keras(module, module.scopes.enclosing_function(call)):
        return False
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, ast.Expr) and outer.value is call:
            return False  # It only builds the network.
        if records(outer) and not is_for_inputs(module, outer):
            return False  # BN102 reports these.
    return not builds_graph(module, call, is_layer=False)
