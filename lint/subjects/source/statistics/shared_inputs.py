"""Networks with BN that read several inputs of one model."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.bindings import Kind
from ..reading.nodes import Function, arguments_of
from ..reading.reach import may_reach
from ..reading.values import Class, Known, Result, Routine, argument_for, is_self
from ..resolving.classes import keras_kind
from ..resolving.lineage import method_of
from ..resolving.resolve import values
from ..resolving.saying import says
from ..training.trained import places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_LOOPS = ast.For | ast.While | ast.ListComp | ast.GeneratorExp | ast.DictComp
_INPUT = Known("keras.layers.Input")


def shared_by_inputs(module: Module) -> Iterator[ast.Call]:
    """Yield each second call of a network with BN on another input of a model."""
    yield from _in_graphs(module)
    steps = module.mentions("def call", "def train_step")
    for node in module.classes if steps else ():
        cls = Class(module, node)
        for name, items_of in (("call", _reading_items), ("train_step", _unlike_items)):
            method = method_of(cls, name)
            if method is not None and method.module is module:
                reading = list(items_of(method))
                several = len({item for item, _ in reading}) > 1
                if several and keras_kind(cls) == "model":
                    yield from _on_several(module, reading)


def _in_graphs(module: Module) -> Iterator[ast.Call]:
    if not module.mentions("Input") or not may_reach(module, names.mentions_batch_norm):
        return
    seen: dict[object, ast.expr] = {}
    for call in module.calls:
        read_by = [] if call.keywords else list(_inputs_of(module, call))
        if not read_by or not _calls_network(module, call):
            continue
        for read in read_by:
            graph = module.scopes.enclosing_function(read)  # another builds another
            for place in places(module, call.func):
                if _is_made_anew(module, call, place[0]):
                    continue
                first = seen.setdefault((graph, place), read)
                if first is not read and _holds_batch_norm(module, call):
                    yield call
                    break


def _is_made_anew(module: Module, call: ast.Call, made: object) -> bool:
    """Whether a loop around a call makes another network each time."""
    around = set(module.scopes.ancestors(made)) if isinstance(made, ast.AST) else set()
    return any(
        isinstance(outer, _LOOPS) and outer in around
        for outer in module.scopes.ancestors(call)
    )


def _calls_network(module: Module, call: ast.Call) -> bool:
    return any(isinstance(value, Result) for value in values(module, call.func))


def _holds_batch_norm(module: Module, call: ast.Call) -> bool:
    return names.BATCH_NORM in kinds_held(module, call.func)


def _inputs_of(module: Module, call: ast.Call) -> Iterator[ast.expr]:
    """The constructions of the `Input`s that a network is called on."""
    match call.args:
        case [ast.Name() as name]:
            for node in _bound_to(module, name):
                yield from _made(module, node)
                # for image in (rgb, depth)
                for item in getattr(node, "elts", ()):
                    for inner in _bound_to(module, item):
                        yield from _made(module, inner)
                yield from _made_together(module, node)


def _bound_to(module: Module, name: ast.expr) -> Iterator[ast.AST]:
    """What a name is bound to, if that is one thing."""
    found = module.scopes.lookup(name) if isinstance(name, ast.Name) else None
    match found[1] if found else ():
        case [binding] if binding.kind is Kind.VALUE:
            yield binding.node
        case [binding] if binding.kind is Kind.ITEM and binding.index is None:
            loop = module.scopes.parents[binding.place]
            if isinstance(loop, ast.comprehension):
                loop = module.scopes.parents[loop]
            if loop in module.scopes.ancestors(name):
                yield binding.node


def _made_together(module: Module, looped: ast.AST) -> Iterator[ast.expr]:
    """The `Input`s of a comprehension that a loop goes through, as two of them."""
    match looped:
        case ast.Call(func=ast.Attribute(value=base, attr="items" | "values")):
            looped = base
    for node in (*_bound_to(module, looped), looped):  # type: ignore[arg-type]
        match node:
            case ast.ListComp(elt=item) | ast.DictComp(value=item):
                for made in _made(module, item):
                    yield from (made, node)


def _made(module: Module, node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call) and _INPUT in values(module, node.func):
        yield node


def _reading_items(routine: Routine) -> Iterator[tuple[str, ast.Call]]:
    """The calls, in a `call`, on an item of its inputs, each with that item."""
    module, function = routine.module, routine.node
    for call in module.calls:
        if module.scopes.scope_of(call).node is function and call.args:
            item = _item_of_inputs(module, function, call.args[0])
            if item is not None:
                yield item, call


def _unlike_items(step: Routine) -> Iterator[tuple[str, ast.Call]]:
    """Those of a training step, in training mode, and not by the names of two views."""
    for item, call in _reading_items(step):
        trains = says(step.module, call).is_constant(True)
        if trains and not hints.is_one_of_alike(item):
            yield item, call


def _on_several(
    module: Module, reading: list[tuple[str, ast.Call]]
) -> Iterator[ast.Call]:
    """The calls of a network on another item than its first one."""
    seen: dict[object, str] = {}
    for item, call in reading:
        for network in _networks_reading(module, call):
            for place in places(module, network):
                if seen.setdefault(place, item) != item:
                    yield call
                    break


def _item_of_inputs(module: Module, function: Function, given: ast.expr) -> str | None:
    """`inputs["query"]`, or the name of an item, if it is of what `call` is given."""
    inputs = [one.arg for one in arguments_of(function) if not is_self(function, one)]
    match given:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key)):
            return repr(key) if name in inputs[:1] else None
        case ast.Name():
            found = module.scopes.lookup(given)
            match found[1] if found else ():
                case [binding] if binding.kind is Kind.ITEM and isinstance(
                    binding.node, ast.Name
                ):
                    whole = binding.node
                    if whole.id in inputs[:1] or _item_of_inputs(
                        module, function, whole
                    ):
                        return given.id
                case [binding] if binding.kind is Kind.VALUE and isinstance(
                    binding.node, ast.Subscript
                ):
                    return _item_of_inputs(module, function, binding.node)
    return None


def _networks_reading(module: Module, call: ast.Call) -> Iterator[ast.expr]:
    """The networks with BN that get the call's first argument, also in a method."""
    for value in values(module, call.func):
        match value:
            case Result():
                if _holds_batch_norm(module, call):
                    yield call.func
            case Routine(module=where, node=method, owner=Class()) if where is module:
                yield from _read_in(module, method, call)


def _read_in(module: Module, method: Function, call: ast.Call) -> Iterator[ast.expr]:
    given = call.args[0]
    for inner in module.calls:
        if module.scopes.scope_of(inner).node is not method or not inner.args:
            continue
        reads = any(
            isinstance(node, ast.Name)
            and argument_for(call, method, node.id, 1) is given
            for node in ast.walk(inner.args[0])
        )
        if reads and _calls_network(module, inner) and _holds_batch_norm(module, inner):
            yield inner.func
