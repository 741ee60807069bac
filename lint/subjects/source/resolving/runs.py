"""The call by which a function or constructor is run, if its result depends on that."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.nodes import last_word
from ..reading.values import Routine, argument_for, default_of, parameters
from .callers import calls_elsewhere
from .local_calls import calls_of
from .mappings import mappings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function


# Options that say nothing about which layers there are.
_INDIFFERENT = {"name", "padding", "dtype", "data_format", "activation"}
_CHOOSES = re.compile(r"(?:get|make|build|create|select|choose)_?\w*norm", re.I)


@dataclass(frozen=True)
class Run:
    """The call by which a function, or a constructor, is run.

    Attributes:
        function: what is run.
        module: where the call stands.
        call: the call.
        skipped: how many leading parameters Python fills in.
        outer: the call that runs the function in which the call is.
        key: equal for calls whose relevant arguments are equal.
        settled: the parameters whose values matter.
    """

    function: Function
    module: Module
    call: ast.Call
    skipped: int
    outer: Run | None = None
    key: tuple[object, ...] = ()
    settled: frozenset[str] = frozenset()


def run_of(
    routine: Routine, module: Module, call: ast.Call, outer: Run | None
) -> Run | None:
    """Return how a call runs a function, if that depends on what is passed."""
    function = routine.node
    owner = routine.module.owner_of(function)
    is_made = owner is not None and getattr(function, "name", "") == "__init__"
    node = owner if is_made and owner else function
    skipped = int(routine.owner is not None)
    handed = _handed_on(routine.module, node) & parameters(function)
    deciding = parameters(function) & _deciding(routine.module, node) | {
        name for name in handed if _is_settled(call, function, name, skipped, outer)
    }
    if not deciding:
        return None
    scope = module.scopes.scope_of(call.func).node
    passed = _as_passed(call, function, sorted(deciding), skipped)
    key = (function, scope, *passed, outer and outer.key)
    kept = _kept_from(routine.module, node, frozenset(deciding))
    return Run(function, module, call, skipped, outer, key, kept)


def _is_settled(
    call: ast.Call, function: Function, name: str, skipped: int, outer: Run | None
) -> bool:
    """Whether a parameter that is handed on gets a switch, or the rest that has one."""
    given = argument_for(call, function, name, skipped) or default_of(function, name)
    return _is_choice(given, outer) or _settles_rest(call, function, name, outer)


def _as_passed(
    call: ast.Call, function: Function, wanted: list[str], skipped: int
) -> list[tuple[str | None, str]]:
    """What a call passes for these parameters, and into `**kwargs`, as written."""
    passed: list[tuple[str | None, str]] = [
        (name, ast.unparse(given))
        for name in wanted
        for given in [argument_for(call, function, name, skipped)]
        if given is not None
    ]
    return passed + [
        (keyword.arg, ast.unparse(keyword.value))
        for keyword in call.keywords
        if keyword.arg is None or function.args.kwarg is not None
    ]


def _is_choice(given: ast.expr | None, outer: Run | None) -> bool:
    """Whether it may be a switch: a name or a flag, not a size."""
    match given:
        case ast.Constant(value=str() | bool() | None):
            return True
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(), attr=name):
            return outer is not None and name in outer.settled
    return False


def _settles_rest(
    call: ast.Call, function: Function, name: str, outer: Run | None
) -> bool:
    """Whether it names `**kwargs`, and a call passes a switch there, or nothing."""
    rest = function.args.kwarg
    if rest is None or rest.arg != name:
        return False
    given = [
        keyword for keyword in call.keywords if keyword.arg not in parameters(function)
    ]
    return not given or any(
        keyword.arg not in _INDIFFERENT and _is_choice(keyword.value, outer)
        for keyword in given
    )


@remembered
def _handed_on(module: Module, node: ast.AST) -> frozenset[str]:
    """The names that a function or class hands on to what it makes: `norm=norm`."""
    handed = {
        name
        for inner in ast.walk(node)
        if isinstance(inner, ast.Call)
        for option, given in (
            *((None, argument) for argument in inner.args),
            *((keyword.arg, keyword.value) for keyword in inner.keywords),
        )
        if option not in _INDIFFERENT
        for name in _handed(given)
    }
    return frozenset(
        handed.union(*(_set_to(module, node).get(name, ()) for name in handed))
    )


def _handed(given: ast.expr) -> Iterator[str]:
    match given:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(), attr=name):
            yield name


@remembered
def _set_to(_module: Module, node: ast.AST) -> dict[str, set[str]]:
    """The names that attributes are set to: of `self.kind = norm`, norm."""
    found: dict[str, set[str]] = {}
    for inner in ast.walk(node):
        match inner:
            case ast.Assign(
                targets=[ast.Attribute(attr=name)], value=ast.Name(id=given)
            ):
                found.setdefault(name, set()).add(given)
    return found


def _kept_from(module: Module, node: ast.AST, names: frozenset[str]) -> frozenset[str]:
    """Parameters, and the attributes that they are kept in."""
    kept = {
        name
        for name, given in _set_to(module, node).items()
        if not given.isdisjoint(names)
    }
    return names | kept


@remembered
def _deciding(_module: Module, node: ast.AST) -> frozenset[str]:
    """The names, in a function or class, that conditions, rates or layers depend on."""
    found: set[str] = set()
    chosen: set[str] = set()  # as in norm = get_norm(kind)
    set_to: dict[str, set[str]] = {}
    for inner in ast.walk(node):
        match inner:
            case ast.If(test=test) | ast.IfExp(test=test):
                found |= _names_in(test)
            case ast.Call(func=ast.Name(id=name)):
                found.add(name)
                if "Dropout" in name:
                    found |= _names_in(inner)
            case ast.Call(func=ast.Attribute(attr=name)) if "ropout" in name:
                found |= _names_in(inner)
            case ast.Call(func=ast.Subscript(slice=key)):
                found |= _names_in(key)
            case ast.List(elts=parts):
                found |= {part.id for part in parts if isinstance(part, ast.Name)}
            case ast.Assign(
                targets=[ast.Attribute(attr=name) | ast.Name(id=name)], value=value
            ):
                set_to.setdefault(name, set()).update(_names_in(value))
                if isinstance(value, ast.Call) and _CHOOSES.match(
                    last_word(value.func)
                ):
                    chosen.add(name)
    for name in [*found, *chosen]:
        found |= set_to.get(name, set())
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef) and found:
            found.update(*map(_names_in, mappings_in(inner)))
    return frozenset(found | _kept_classes(node))


def _kept_classes(node: ast.AST) -> set[str]:
    """The names of what a class keeps, and makes its layers of: `self.norm_class()`."""
    kept: dict[str, str] = {}
    called: set[str] = set()
    methods = node.body if isinstance(node, ast.ClassDef) else []
    for method in methods:
        if getattr(method, "name", "") in ("call", "__call__"):
            continue
        for inner in ast.walk(method):
            match inner:
                case ast.Assign(
                    targets=[ast.Attribute(attr=name)], value=ast.Name(id=given)
                ):
                    kept[name] = given
                case ast.Call(func=ast.Attribute(value=ast.Name(), attr=name)):
                    called.add(name)
    return {given for name, given in kept.items() if name in called}


def _names_in(expression: ast.AST) -> set[str]:
    """The names and attributes in an expression."""
    return {
        getattr(node, "id", "") or getattr(node, "attr", "")
        for node in ast.walk(expression)
        if isinstance(node, ast.Name | ast.Attribute)
    }


def is_run_by(function: Function, run: Run | None) -> bool:
    """Whether the call is known by which a function is run."""
    return _run_for(function, run) is not None


def _run_for(function: ast.AST, run: Run | None) -> Run | None:
    while run is not None and run.function is not function:
        run = run.outer
    return run


def passed_expression(
    run: Run | None, function: Function, name: str
) -> tuple[Module, ast.expr, Run | None] | None:
    """Return what the call that runs a function passes for a parameter, as written."""
    known = _run_for(function, run)
    if known is None:
        return None
    passed = argument_for(known.call, known.function, name, known.skipped)
    return None if passed is None else (known.module, passed, known.outer)


def callers_of(
    module: Module, function: Function, run: Run | None
) -> Iterator[tuple[Module, ast.Call, int, Run | None]]:
    """The call by which a function is run, where it is known, or all in sight.

    Those of other files come last, so that they are read only if needed.
    """
    known = _run_for(function, run)
    if known is not None:
        yield known.module, known.call, known.skipped, known.outer
        return
    calls = calls_of(module, function)
    inside = [
        (call, skipped)
        for call, skipped in calls
        if run is not None and run.function in module.scopes.ancestors(call)
    ]
    for call, skipped in inside or calls:  # super().__init__() of what is constructed
        yield module, call, skipped, run
    if not inside:
        for where, call, skipped in calls_elsewhere(module, function):
            yield where, call, skipped, None
