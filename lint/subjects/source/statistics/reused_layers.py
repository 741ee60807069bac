"""One BN layer that is applied at several places of a network."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..reading.nodes import Function, ScopeNode
from ..reading.values import Result, Routine, argument_for
from ..resolving.classes import calls_in
from ..resolving.resolve import values
from .batch_norms import batch_norm_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_LOOPS = ast.For | ast.ListComp | ast.GeneratorExp


def reused_layers(module: Module) -> Iterator[ast.Call]:
    """Yield each second application of one BN layer in a function, or one in a loop."""
    if not module.mentions("BatchNorm"):
        return
    seen: dict[tuple[ast.Call, ScopeNode], list[ast.Call]] = {}
    for call in module.calls:
        for made in _applied(module, call):
            function = module.scopes.scope_of(call).node
            before = seen.setdefault((made, function), [])
            another = [
                other
                for other in before
                if _are_both_run(module, other, call)
                and _reads(module, other) != _reads(module, call)
            ]
            before.append(call)
            if another or _follows_layers_of_loop(module, made, call):
                yield call


def _reads(module: Module, call: ast.Call) -> tuple[object, ...]:
    """What a call is given: its text, and what the names in it are bound to."""
    found = [
        module.scopes.lookup(node)
        for argument in call.args
        for node in ast.walk(argument)
        if isinstance(node, ast.Name)
    ]
    bound = [id(one) for entry in found if entry for one in entry[1]]
    return *map(ast.unparse, call.args), *bound


def _are_both_run(module: Module, first: ast.Call, second: ast.Call) -> bool:
    """Whether both are in one go: not `bn(x) if training else bn(y)`."""
    around = set(module.scopes.ancestors(second))
    for outer in module.scopes.ancestors(first):
        if isinstance(outer, ast.IfExp) and outer in around:
            return False
        ends = isinstance(outer, ast.If) and any(
            isinstance(one, ast.Return) for one in (*outer.body, *outer.orelse)
        )
        if ends and outer not in around:
            return False
    return module.scopes.may_precede(first, second)


def _applied(module: Module, call: ast.Call) -> Iterator[ast.Call]:
    """The constructions of the BN layers that a call applies, or has a helper apply."""
    if isinstance(call.func, ast.Name | ast.Attribute) and call.args:
        yield from _single(module, call.func)
    for value in values(module, call.func):
        if isinstance(value, Routine):
            for part in (*call.args, *(word.value for word in call.keywords)):
                if isinstance(part, ast.Name | ast.Attribute) and _calls(
                    value, call, part
                ):
                    yield from _single(module, part)


def _calls(helper: Routine, call: ast.Call, layer: ast.expr) -> bool:
    """Whether a helper calls what a call passes it, by the parameter's name."""
    skipped = int(helper.owner is not None)
    return any(
        isinstance(inner.func, ast.Name)
        and argument_for(call, helper.node, inner.func.id, skipped) is layer
        for inner in calls_in(helper.module, helper.node)
    )


def _single(module: Module, layer: ast.Name | ast.Attribute) -> Iterator[ast.Call]:
    """The construction of a BN layer that is kept under a name by itself."""
    if isinstance(layer, ast.Name):
        found = module.scopes.lookup(layer)
        bound = found[1] if found else []
        if any(isinstance(one.node, ast.arg) for one in bound):
            return  # whoever passes it applies it
    for value in values(module, layer):
        match value:
            case Result(maker=maker, module=where, call=made) if (
                where is module and batch_norm_name(maker) in names.BATCH_NORM_LAYERS
            ):
                if isinstance(module.scopes.parents.get(made), ast.Assign) or (
                    _is_part_of_tuple(module, made)
                ):
                    yield made


def _is_part_of_tuple(module: Module, made: ast.Call) -> bool:
    """`self.conv, self.bn = Conv2D(8, 3), BatchNormalization()`."""
    parent = module.scopes.parents.get(made)
    return isinstance(parent, ast.Tuple) and isinstance(
        module.scopes.parents.get(parent), ast.Assign
    )


def _follows_layers_of_loop(module: Module, made: ast.Call, call: ast.Call) -> bool:
    """Whether a loop applies it to the output of each of its layers in turn."""
    called = {
        node.func.id
        for argument in call.args
        for node in ast.walk(argument)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, Function):
            return False
        if isinstance(outer, _LOOPS) and outer not in module.scopes.ancestors(made):
            targets = (
                [outer.target]
                if isinstance(outer, ast.For)
                else [part.target for part in outer.generators]
            )
            names = {
                node.id
                for target in targets
                for node in ast.walk(target)
                if isinstance(node, ast.Name)
            }
            if not names.isdisjoint(called):
                return True
    return False
