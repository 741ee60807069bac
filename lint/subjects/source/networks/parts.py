"""The parts of a network or class, and those that are frozen by name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Binding, Kind
from ..reading.nodes import Function, last_word
from ..reading.values import Class, Known, Result, Routine, argument_for
from ..resolving.classes import calls_in, passes_flag_itself, reached
from ..resolving.lineage import method_of, project_lineage
from ..resolving.local_calls import calls_of
from ..resolving.members import is_false, members, returns_of
from ..resolving.resolve import values
from ..resolving.saying import depends_on_flag, says
from ..resolving.symbolic import network_parts
from .frozen import freezes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def is_empty(expression: ast.expr) -> bool:
    """A first value that only announces an attribute: None, or an empty list."""
    match expression:
        case ast.Constant() | ast.List(elts=[]):
            return True
    return False


def first_names(module: Module, made: ast.Call) -> list[ast.expr]:
    """Return the names that what is made is first given."""
    parent = module.scopes.parents.get(made)
    return parent.targets if isinstance(parent, ast.Assign) else []


def handed_in_frozen(module: Module, binding: Binding) -> bool:
    """Whether a caller passes something frozen for a parameter."""
    if not isinstance(binding.place, Function) or binding.kind is not Kind.PARAMETER:
        return False
    assert isinstance(binding.node, ast.arg)
    for call, skipped in calls_of(module, binding.place):
        passed = argument_for(call, binding.place, binding.node.arg, skipped)
        if passed is not None and freezes(module).covers(passed):
            return True
    return False


def settles_base(cls: Class) -> bool:
    """Whether a `call` of the class settles the flag of the Keras layer it extends."""
    if method_of(cls, "call") is None:
        return False
    up = [
        passes_flag_itself(call, routine)
        and not depends_on_flag(routine.module, says(routine.module, call))
        for routine in reached(cls, "call")
        for call in calls_in(routine.module, routine.node)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "call"
    ]
    return all(up)  # without any, the layer does its own work


def freezes_itself(cls: Class) -> bool:
    """Whether a class sets its own `trainable` to False."""
    return any(
        is_false(value)
        for ancestor in project_lineage(cls)
        for value in members(ancestor.module, ancestor.node).assigned("trainable")
    )


def items_of(
    module: Module, call: ast.Call, index: int
) -> Iterator[tuple[Module, ast.expr]]:
    """The item of that index in what a function of the project returns."""
    for function in values(module, call.func):
        if isinstance(function, Routine):
            for returned in returns_of(function.module, function.node):
                match returned:
                    case ast.Tuple(elts=items) | ast.List(elts=items):
                        for item in items[index : index + 1]:
                            yield function.module, item
                    case ast.ListComp(elt=item) | ast.GeneratorExp(elt=item):
                        yield function.module, item


def layer_at(
    module: Module, network: ast.expr, index: int
) -> Iterator[tuple[Module, ast.expr]]:
    """The layer of that index in `network.layers`, of a `Sequential` in sight."""
    for value in values(module, network):
        match value:
            case Result(maker=Known("keras.Sequential"), call=made):
                listed = made.args[0] if made.args else ast.List([], ast.Load())
                added = list(added_under_its_name(value.module, made))
                if isinstance(listed, ast.List):
                    layers = [*listed.elts, *added]
                    own = [one for one in layers if not _is_input(one)]
                    if -len(own) <= index < len(own):
                        yield value.module, own[index]


def _is_input(layer: ast.expr) -> bool:
    return isinstance(layer, ast.Call) and "Input" in last_word(layer.func)


def same_layers(made: ast.Call) -> ast.expr | None:
    """The `net` of `Model(net.inputs, net.outputs)`, which has the same layers."""
    given = {word.arg: word.value for word in made.keywords}
    ends = (*made.args[:2], given.get("inputs"), given.get("outputs"))
    match [end for end in ends if end is not None]:
        case [
            ast.Attribute(value=one, attr="input" | "inputs"),
            ast.Attribute(value=other, attr="output" | "outputs"),
        ] if last_word(made.func) == "Model":
            return one if ast.unparse(one) == ast.unparse(other) else None
    return None


def added_to(module: Module, name: str, scope: ast.AST) -> Iterator[ast.expr]:
    """Yield what `name.add(...)` and the like put into a network or list."""
    for word in ("add", "append", "insert", "extend"):
        for call in module.calls_by_name.get(word, ()):
            match call:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=base)), args=[*_, layer]
                ) if base == name and module.scopes.scope_of(call).node is scope:
                    yield layer


def parts_of(module: Module, network: ast.expr) -> Iterator[tuple[Module, ast.expr]]:
    """What a network is made of, and what is surely added to it afterwards."""
    for where, part in network_parts(module, network):
        yield where, part
        if isinstance(part, ast.Call) and last_word(part.func) == "Sequential":
            for added in _surely_added(where, part):
                yield where, added
    for value in values(module, network):
        if isinstance(value, Result):
            for added in _surely_added(value.module, value.call):
                yield value.module, added
                yield from network_parts(value.module, added)


def _surely_added(module: Module, made: ast.Call) -> Iterator[ast.expr]:
    for added in added_under_its_name(module, made):
        if not any(
            isinstance(outer, ast.If) for outer in module.scopes.ancestors(added)
        ):
            yield added


def added_under_its_name(module: Module, made: ast.expr) -> Iterator[ast.expr]:
    """Yield what is added to a network or list under the name, or attribute, given."""
    match module.scopes.parents.get(made):
        case ast.Assign(targets=[ast.Name(id=name)]):
            yield from added_to(module, name, module.scopes.scope_of(made).node)
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(), attr=name)]):
            owner = module.scopes.enclosing_class(made)
            if owner is not None:
                own = members(module, owner)
                yield from own.given(name)[len(own.assigned(name)) :]
