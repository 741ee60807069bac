"""What the gradients of a tape are taken for."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.bindings import Binding, Kind
from ..reading.values import Routine, parameters
from ..resolving.classes import calls_in
from ..resolving.handed import as_caller_writes
from ..resolving.members import members
from ..resolving.resolve import values
from ..resolving.saying import local_value
from ..resolving.starred import argument_in
from .applying import applies
from .owners import is_global, owners
from .returned_gradients import is_applied_elsewhere
from .tapes import is_tape, taken_by, wrapped_tape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..reading.module import Module
    from .tapes import Tape

_WRITTEN = (ast.Tuple, ast.List)


def trained_by(
    module: Module, node: ast.With, tapes: set[ast.AST]
) -> list[ast.expr] | None:
    """Return what the tapes of a `with` take gradients for.

    None if no optimizer applies them.
    """
    taken = list(_taken(module, node, tapes))
    calls = _calls_around(module, node, tapes)
    applied = any(map(applies, calls))
    applied = applied or any(helper and _applies(helper) for _, helper in taken)
    function = module.scopes.enclosing_function(node)
    if not applied and isinstance(function, ast.FunctionDef):
        applied = is_applied_elsewhere(module, function, calls)
    return [source for source, _ in taken] if applied and taken else None


def is_for_inputs(module: Module, node: ast.With) -> bool:
    """Whether gradients are taken there, and for the weights of no network."""
    taken = list(_taken(module, node, tapes_of(module, node)))
    return bool(taken) and not any(
        True for source, _ in taken for _ in owners(module, source)
    )


def tapes_of(module: Module, node: ast.With) -> set[ast.AST]:
    """The places where the tapes get their names that a `with` opens.

    It may have been made before: `with tape:`. An attribute holds it for all methods.
    """
    found: set[ast.AST] = set()
    for item in node.items:
        match item:
            case ast.withitem(optional_vars=ast.Name() | ast.Attribute() as place):
                if is_tape(module, item.context_expr):
                    found.add(place)
            case ast.withitem(context_expr=ast.Name() | ast.Attribute() as tape):
                if _opens_once(module, tape):
                    found.update(_made_before(module, tape))
    return found


def _made_before(module: Module, tape: Tape) -> Iterator[ast.AST]:
    """What a tape is named by, or what opens it, if it is made in another place."""
    if isinstance(tape, ast.Attribute):
        owner = module.scopes.enclosing_class(tape)
        given = members(module, owner).assigned(tape.attr) if owner else []
        if any(is_tape(module, one) for one in given):
            yield tape
        return
    made = module.scopes.lookup(tape)
    for binding in made[1] if made else ():
        if binding.kind is Kind.VALUE:
            assert isinstance(binding.node, ast.expr)
            if is_tape(module, binding.node):
                yield binding.place


def _opens_once(module: Module, tape: Tape) -> bool:
    """Whether no other `with` in the function, or class, goes on with the tape."""
    around = _around(module, tape)
    used = [
        item.context_expr
        for node in module.scopes.of(ast.With)
        for item in node.items
        if isinstance(item.context_expr, ast.Name | ast.Attribute)
        and ast.unparse(item.context_expr) == ast.unparse(tape)
        and _around(module, item.context_expr) is around
    ]
    return used == [tape]


def _around(module: Module, tape: Tape) -> ast.AST | None:
    """Where a name, or an attribute of `self`, stands for a tape."""
    scopes = module.scopes
    is_name = isinstance(tape, ast.Name)
    return scopes.enclosing_function(tape) if is_name else scopes.enclosing_class(tape)


def _calls_around(
    module: Module, node: ast.With, tapes: set[ast.AST]
) -> Sequence[ast.Call]:
    """The calls in the function that a `with` is in.

    If that takes no gradients of a tape which an attribute holds, those in the class.
    """
    function = module.scopes.enclosing_function(node)
    calls = module.calls if function is None else calls_in(module, function)
    held = next((tape for tape in tapes if isinstance(tape, ast.Attribute)), None)
    owner = None if held is None else module.scopes.enclosing_class(held)
    if held is None or owner is None or not _holds_one(module, owner, held):
        return calls
    if any(tape.attr == held.attr for tape in _of_attributes(calls)):
        return calls
    return [call for call in module.calls if owner in module.scopes.ancestors(call)]


def _holds_one(module: Module, owner: ast.ClassDef, held: ast.Attribute) -> bool:
    """Whether no other `with` in a class gives the attribute a tape."""
    places = [
        item.optional_vars
        for node in module.scopes.of(ast.With)
        if owner in module.scopes.ancestors(node)
        for item in node.items
        if isinstance(item.optional_vars, ast.Attribute)
        and item.optional_vars.attr == held.attr
    ]
    return not [place for place in places if place is not held]


def _of_attributes(calls: Sequence[ast.Call]) -> Iterator[ast.Attribute]:
    """The tapes held by attributes whose gradients the calls take."""
    for taken in filter(None, map(taken_by, calls)):
        if isinstance(taken[0], ast.Attribute):
            yield taken[0]


def _taken(
    module: Module, node: ast.With, tapes: set[ast.AST]
) -> Iterator[tuple[ast.expr, Routine | None]]:
    """What gradients are taken for, and the function that takes them, if it is another.

    Another tape around it may have the same name.
    """
    for call in _calls_around(module, node, tapes):
        own = taken_by(call)
        if own is not None:
            tape, sources = own
            if _is_one_of(module, tape, tapes):
                for source in sources:
                    yield from ((one, None) for one in _watched(module, node, source))
            if isinstance(tape, ast.Name):
                for source in sources:
                    rows = _beside_tape(module, tape, source, tapes)
                    yield from ((row, None) for row in rows)
            continue
        for helper, name in _handed_to(module, call, tapes):
            for source in _sources_in(module, call, helper, name):
                yield source, helper


def _watched(module: Module, node: ast.With, source: ast.expr) -> Iterator[ast.expr]:
    """A source; of `tape.watched_variables()`, the variables of all that is called."""
    match local_value(module, source):
        case ast.Call(func=ast.Attribute(attr="watched_variables")):
            for part in node.body:
                for call in ast.walk(part):
                    if isinstance(call, ast.Call):
                        watched = ast.Attribute(
                            call.func, "trainable_variables", ast.Load()
                        )
                        yield ast.copy_location(watched, call)
        case _:
            yield source


def _is_one_of(module: Module, name: Tape, tapes: set[ast.AST]) -> bool:
    """Whether a name, or an attribute, stands for one of the tapes where it is used."""
    if isinstance(name, ast.Attribute):
        owner = module.scopes.enclosing_class(name)
        return any(
            isinstance(tape, ast.Attribute)
            and ast.unparse(tape) == ast.unparse(name)
            and module.scopes.enclosing_class(tape) is owner
            for tape in tapes
        )
    found = module.scopes.lookup(name)
    for binding in found[1] if found else ():
        if binding.place in tapes:
            return True
        if binding.kind is Kind.VALUE and isinstance(binding.node, ast.Call):
            inner = wrapped_tape(binding.node)
            if isinstance(inner, ast.Name) and _is_one_of(module, inner, tapes):
                return True
    return False


def _beside_tape(
    module: Module, tape: ast.Name, source: ast.expr, tapes: set[ast.AST]
) -> Iterator[ast.expr]:
    """The sources that a loop over rows such as `(tape, net)` gives one of the tapes.

    `net.trainable_variables` is written there with the network of the row.
    """
    for binding in _items_named(module, tape):
        rows = binding.node.elts if isinstance(binding.node, _WRITTEN) else []
        for row in rows:
            match row:
                case ast.Tuple(elts=parts) | ast.List(elts=parts):
                    named = _of_row(parts, binding)
                    if isinstance(named, ast.Name) and _is_one_of(module, named, tapes):
                        yield _in_row(module, source, binding.node, parts)


def _items_named(module: Module, name: ast.Name) -> Iterator[Binding]:
    found = module.scopes.lookup(name)
    for binding in found[1] if found else ():
        if binding.kind is Kind.ITEM:
            yield binding


def _in_row(
    module: Module, source: ast.expr, rows: ast.AST, parts: list[ast.expr]
) -> ast.expr:
    """What a loop's body writes, as it is written in a row that it goes over."""
    match source:
        case ast.Attribute(value=base, attr=attribute, ctx=context):
            inner = _in_row(module, base, rows, parts)
            written = ast.Attribute(inner, attribute, context)
            return source if inner is base else ast.copy_location(written, source)
        case ast.Name():
            for binding in _items_named(module, source):
                named = _of_row(parts, binding)
                if binding.node is rows and named is not None:
                    return named
    return source


def _of_row(parts: list[ast.expr], binding: Binding) -> ast.expr | None:
    """The part of a row that a name gets; None if that is not written there."""
    plain = not any(isinstance(part, ast.Starred) for part in parts)
    if plain and binding.inner is not None and binding.inner < len(parts):
        return parts[binding.inner]
    return None


def _handed_to(
    module: Module, call: ast.Call, tapes: set[ast.AST]
) -> Iterator[tuple[Routine, str]]:
    """The functions that a call hands a tape to, and their name for it."""
    given = (*call.args, *(argument.value for argument in call.keywords))
    handed = [
        one
        for one in given
        if isinstance(one, ast.Name | ast.Attribute) and _is_one_of(module, one, tapes)
    ]
    for helper in values(module, call.func) if handed else ():
        if isinstance(helper, Routine):
            skipped = int(helper.owner is not None)
            for name in parameters(helper.node):
                if argument_in(module, call, helper.node, name, skipped) in handed:
                    yield helper, name


def _sources_in(
    module: Module, call: ast.Call, helper: Routine, name: str
) -> Iterator[ast.expr]:
    """What a function takes gradients of its tape for, as its caller would write it."""
    inside = calls_in(helper.module, helper.node)
    for tape, sources in filter(None, map(taken_by, inside)):
        for source in sources if ast.unparse(tape) == name else ():
            passed = as_caller_writes(module, call, helper, source)
            if passed is not None:
                yield passed
                continue
            for owner in owners(helper.module, source):
                network = as_caller_writes(module, call, helper, owner)
                if network is None and helper.module is module:
                    network = owner if is_global(module, owner) else None
                if network is not None:
                    variables = ast.Attribute(
                        network, "trainable_variables", ast.Load()
                    )
                    yield ast.copy_location(variables, call)


def _applies(helper: Routine) -> bool:
    """Whether a function applies gradients."""
    calls = calls_in(helper.module, helper.node)
    return any(map(applies, calls))
