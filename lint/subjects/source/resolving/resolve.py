"""Values that an expression may have, found without running anything.

`values(module, expression)` gives every value that the expression may have as far as
the source shows; a value that cannot be known is simply missing. Names are followed
through imports, assignments, attributes, parameters, returns and `functools.partial`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..reading.bindings import Binding, Kind
from ..reading.imports import Found, exported, imported, unbound
from ..reading.limits import VALUES
from ..reading.memo import remembered_of_class
from ..reading.nodes import Function, last_word
from ..reading.values import (
    Class,
    Items,
    Known,
    Literal,
    Parameter,
    Partial,
    Result,
    Routine,
    Self,
    Value,
    Whole,
    argument_for,
    default_of,
    dict_entries,
    is_class_method,
    is_number,
    is_self,
    unpacks,
)
from .handles import joined, name_of, names_of, runs_of
from .members import DYNAMIC, members, returns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module

# Wrappers that return their function, as far as its behaviour matters.
_SAME_FUNCTION = {
    *("tensorflow.function", "tensorflow.compat.v1.function", "jax.jit"),
    *("tensorflow.recompute_grad", "jax.checkpoint", "jax.remat", "torch.compile"),
}

# Objects whose attributes are the arguments that they are made with.
_NAMESPACES = ("types.SimpleNamespace", "argparse.Namespace")
_GRADIENTS = {"jax.grad", "jax.value_and_grad"}


def values(module: Module, expression: ast.expr) -> tuple[Value, ...]:
    """Return every value the expression may have, as far as the source shows."""
    key = (values, expression)
    known: tuple[Value, ...] | None = module.answers.get(key)
    if known is not None:
        return known
    trail = module.project.trail
    if not trail.enter(expression):
        return ()
    result = tuple(dict.fromkeys(_evaluate(module, expression)))[:VALUES]
    if trail.leave(expression):
        module.answers[key] = result
    return result


def _evaluate(module: Module, expression: ast.expr) -> Iterator[Value]:
    match expression:
        case ast.Constant(value=constant):
            yield Literal(constant, module, expression)
        case ast.UnaryOp(
            op=ast.USub(), operand=ast.Constant(value=int() | float() as number)
        ):
            yield Literal(-number, module, expression)
        case ast.BinOp():
            yield from _arithmetic(module, expression)
        case ast.Name():
            yield from _name(module, expression)
        case ast.Attribute(value=base, attr=attribute):
            for value in values(module, base):
                yield from attribute_of(value, attribute)
        case ast.Call():
            yield from _call(module, expression)
        case ast.IfExp(test=test, body=one, orelse=other):
            yield from _guarded(module, test, one)
            yield from _guarded(module, test, other)
        case ast.BoolOp(values=options):
            for option in options:
                yield from values(module, option)
        case ast.NamedExpr(value=value) | ast.Await(value=value):
            yield from values(module, value)
        case ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
            yield Items(module, expression)
        case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
            yield from values(module, element)
        case ast.Subscript(value=base, slice=index):
            yield from _items(module, base, index)
        case ast.Lambda():
            yield Routine(module, expression)


def _guarded(module: Module, test: ast.expr, side: ast.expr) -> Iterator[Value]:
    """Yield one side of `m if m > 0.5 else 1 - m`, which not every `m` reaches."""
    asked = isinstance(side, ast.Name) and any(
        isinstance(node, ast.Name) and node.id == side.id for node in ast.walk(test)
    )
    for value in values(module, side):
        if not (asked and isinstance(value, Literal | Parameter)):
            yield value


def _arithmetic(module: Module, expression: ast.BinOp) -> Iterator[Value]:
    """`1 - 0.9` and the like, of which constants are sometimes made."""
    sides = [
        [value.value for value in values(module, side) if isinstance(value, Literal)]
        for side in (expression.left, expression.right)
    ]
    if any(len(side) != 1 or not is_number(side[0]) for side in sides):
        return
    left, right = float(sides[0][0]), float(sides[1][0])  # type: ignore[arg-type]
    match expression.op:
        case ast.Sub():
            yield Literal(round(left - right, 12), module, expression)
        case ast.Div() if right:
            yield Literal(left / right, module, expression)


def _name(module: Module, name: ast.Name) -> Iterator[Value]:
    found = module.scopes.lookup(name)
    if found is None:
        yield from _evaluated(unbound(module, name.id))
        return
    rebound = len({binding.kind for binding in found[1]}) > 1
    for binding in found[1]:
        for value in bound(module, binding):
            # A parameter that may get another value is unlikely to keep a bad default.
            handed = rebound and binding.kind is Kind.PARAMETER
            if not (handed and isinstance(value, Literal)):
                yield value


def bound(module: Module, binding: Binding) -> Iterator[Value]:
    """The values that a binding gives its name."""
    node = binding.node
    match binding.kind:
        case Kind.VALUE:
            assert isinstance(node, ast.expr)
            yield from values(module, node)
        case Kind.ITEM:
            assert isinstance(node, ast.expr)
            for value in values(module, node):
                yield from _parts(value, binding.index)
        case Kind.IMPORT if module.project.trail.enter(node):
            yield from _evaluated(imported(module, binding.dotted))
            module.project.trail.leave(node)
        case Kind.DEFINITION if isinstance(node, ast.ClassDef):
            yield Class(module, node)
        case Kind.DEFINITION:
            assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield Routine(module, node)
        case Kind.PARAMETER:
            assert isinstance(node, ast.arg)
            yield from _parameter(module, node)


def _evaluated(found: Iterable[Found]) -> Iterator[Value]:
    """The values of what was found in other modules."""
    for candidate in found:
        if isinstance(candidate, tuple):
            yield from bound(*candidate)
        else:
            yield candidate


def _parts(value: Value, index: int | None) -> Iterator[Value]:
    """Yield what comes out of a collection: the item at that index, or any."""
    if not isinstance(value, Items):
        # [Block() for ...] stands for its items, and so do arguments.
        if isinstance(value, Result | Class | Parameter):
            yield value
        return
    if not isinstance(value.node, ast.List | ast.Tuple):
        return
    elements = value.node.elts
    if index is not None:
        elements = elements[index : index + 1]
    for element in elements:
        if isinstance(element, ast.Starred):
            trail = value.module.project.trail
            if trail.enter(element):  # found = [*found, one] is in itself
                for inner in values(value.module, element.value):
                    yield from _parts(inner, None)
                trail.leave(element)
        else:
            yield from values(value.module, element)


def _items(module: Module, base: ast.expr, index: ast.expr) -> Iterator[Value]:
    """`collection[index]`: the entry of a dict, or an item of a list."""
    keys = _constants(module, index)
    for value in values(module, base):
        if isinstance(value, Items) and dict_entries(value):
            yield from _entries(value, keys) if keys else _any_entry(value)
            continue
        place = keys[0] if len(keys) == 1 and isinstance(keys[0], int) else None
        yield from _parts(value, None if place is None or place < 0 else place)


def _entries(value: Items, keys: list[object]) -> Iterator[Value]:
    """The entries of a dict with these keys."""
    entries = dict_entries(value)
    for key in keys:
        if key in entries:
            yield from values(value.module, entries[key])


def _any_entry(value: Items) -> Iterator[Value]:
    """What a registry holds, by whatever name; its constants are settings, not that."""
    for entry in list(dict_entries(value).values())[:VALUES]:
        if isinstance(entry, ast.Name | ast.Attribute | ast.Call):
            for found in values(value.module, entry):
                if isinstance(found, Class | Routine | Result):
                    yield found


def _constants(module: Module, expression: ast.expr) -> list[object]:
    found = values(module, expression)
    return [value.value for value in found if isinstance(value, Literal)]


def attribute_of(value: Value, attribute: str) -> Iterator[Value]:
    """Yield what `value.attribute` may be."""
    match value:
        case Known(name):
            yield Known(names.canonical(f"{name}.{attribute}"))
        case Whole(module):
            yield from _evaluated(exported(module, attribute))
        case Class():
            yield from _member(value, value, attribute)
        case Self(cls) | Result(maker=Class() as cls):
            yield from _member(cls, value, attribute)
        case Result(maker=Known(name), module=module, call=made) if name in _NAMESPACES:
            for keyword in made.keywords:
                if keyword.arg == attribute:
                    yield from values(module, keyword.value)


def _call(module: Module, call: ast.Call) -> Iterator[Value]:
    yield from _asked_for(module, call)
    for function in values(module, call.func):
        match function:
            case Known("functools.partial") if call.args:
                for inner in values(module, call.args[0]):
                    yield Partial(inner, module, call)
            case Known("dict"):
                yield Items(module, call)
            case Known("getattr"):
                continue
            case Known("super"):
                yield from _super(module, call)
            case Known(name) if name in _SAME_FUNCTION and call.args:
                yield from values(module, call.args[0])
            case Result(maker=Known(name)) if name in _SAME_FUNCTION and call.args:
                yield from values(module, call.args[0])  # tf.function(...)(step)
            case Known("list" | "tuple" | "reversed" | "enumerate") if call.args:
                yield from values(module, call.args[0])
            case Known() | Class():
                yield Result(function, module, call)
            case Partial(function=Known() | Class() as inner):
                yield Result(inner, module, call)
            case Partial(function=Routine() as inner):
                yield from returned(inner)
            case Routine():
                yield from returned(function)


def _asked_for(module: Module, call: ast.Call) -> Iterator[Value]:
    """`settings.get(key, default)`, `pop` as well, or `getattr(settings, ...)`."""
    found: list[Value] = []
    match call:
        case ast.Call(
            func=ast.Attribute(value=base, attr="get" | "pop"), args=[key, *default]
        ):
            for owner in values(module, base):
                if isinstance(owner, Items) and dict_entries(owner):
                    keys = _constants(module, key)
                    found += _entries(owner, keys) if keys else _any_entry(owner)
        case ast.Call(func=ast.Name(id="getattr"), args=[base, key, *default]):
            names_of_key = _constants(module, key) or [DYNAMIC]
            for owner in values(module, base):
                if isinstance(owner, Self) or DYNAMIC not in names_of_key:
                    for name in names_of_key:
                        found += attribute_of(owner, str(name))
        case _:
            return
    yield from found
    if not found and default and isinstance(default[0], ast.Constant):
        yield from values(module, default[0])


def returned(routine: Routine) -> Iterator[Value]:
    """Yield what a function of the project returns."""
    for expression in returns_of(routine.module, routine.node):
        yield from values(routine.module, expression)


def _parameter(module: Module, argument: ast.arg) -> Iterator[Value]:
    """`self`, or the default and what the callers in the same module pass."""
    function = module.scopes.parents[module.scopes.parents[argument]]
    assert isinstance(function, Function)
    owner = module.owner_of(function)
    if owner is not None and is_self(function, argument):
        own = Class(module, owner)
        yield own if is_class_method(function) else Self(own)
        return
    yield Parameter(module, function, argument.arg)
    passed, default_used = _passed(module, function, argument.arg)
    for expression in passed:
        yield from values(module, expression)
    default = default_of(function, argument.arg)
    if default is not None and default_used:
        yield from values(module, default)


def _passed(
    module: Module, function: Function, name: str
) -> tuple[list[ast.expr], bool]:
    """Return what callers in the module pass for it, and whether any omits it."""
    passed: list[ast.expr] = []
    calls = calls_of(module, function)
    omitted = not calls
    for call, skipped in calls:
        expression = argument_for(call, function, name, skipped)
        if expression is not None:
            passed.append(expression)
        elif not unpacks(call):
            omitted = True
    return passed, omitted


def _super(module: Module, call: ast.Call) -> Iterator[Value]:
    """`super()` stands for an instance of each base class."""
    node = module.scopes.enclosing_class(call)
    if node is not None:
        for base in bases(Class(module, node)):
            yield Self(base) if isinstance(base, Class) else base


def bases(cls: Class) -> Iterator[Known | Class]:
    """The direct base classes that are known."""
    for expression in cls.node.bases:
        for value in values(cls.module, expression):
            if isinstance(value, Known | Class):
                yield value


@remembered_of_class
def lineage(cls: Class) -> tuple[Known | Class, ...]:
    """The class and all its known bases, roughly in the order Python searches them."""
    found: list[Known | Class] = []
    pending: list[Known | Class] = [cls]
    while pending and len(found) < VALUES:
        current = pending.pop(0)
        if current not in found:
            found.append(current)
            if isinstance(current, Class):
                pending = [*bases(current), *pending]
    return tuple(found)


@remembered_of_class
def project_lineage(cls: Class) -> tuple[Class, ...]:
    """The classes of the project in its lineage, itself first."""
    return tuple(ancestor for ancestor in lineage(cls) if isinstance(ancestor, Class))


def method_of(cls: Class, name: str) -> Routine | None:
    """The method of that name, own or inherited within the project."""
    for ancestor in project_lineage(cls):
        found = members(ancestor.module, ancestor.node).methods.get(name)
        if found is not None:
            return Routine(ancestor.module, found, cls)
    return None


def _member(cls: Class, instance: Value, name: str) -> Iterator[Value]:
    """Yield what `instance.name` may be, from the class body and what methods set."""
    method = method_of(cls, name)
    if method is not None:
        decorators = [last_word(decorator) for decorator in method.node.decorator_list]  # type: ignore[union-attr]
        if "property" in decorators or "cached_property" in decorators:
            yield from returned(method)
        else:
            bound_to = None if isinstance(instance, Class) else cls
            yield Routine(method.module, method.node, bound_to)
        return
    for ancestor in project_lineage(cls):
        own = members(ancestor.module, ancestor.node)
        if name in own.classes:
            yield Class(ancestor.module, own.classes[name])
        for expression in own.given(name):
            yield from values(ancestor.module, expression)


def calls_of(module: Module, function: Function) -> list[tuple[ast.Call, int]]:
    """The calls of a function in its own module.

    Each comes with the number of leading parameters that Python fills in (`self`).
    """
    owner = module.owner_of(function)
    name = name_of(module, function)
    if owner is not None and name == "__init__":
        made = constructions(module, function)
        return [(call, 1) for call in (*made, *_partly_made(module, owner, function))]
    found = []
    named = names_of(module, function) if name else ()
    calls = [
        call for constant in named for call in module.calls_by_name.get(constant, ())
    ]
    for call in calls:
        for value in values(module, call.func):
            run = _run_by(module, value, call)
            if run is not None and run[0].node is function:
                found.append((run[1], 0 if run[0].owner is None else 1))
                break
    for handed, call in runs_of(module) if name else ():
        for value in values(module, handed):
            if isinstance(value, Routine) and value.node is function:
                found.append((call, 0 if value.owner is None else 1))
                break
    return found


def _run_by(
    module: Module, value: Value, call: ast.Call
) -> tuple[Routine, ast.Call] | None:
    """The function that calling a value runs, and with what."""
    match value:
        case Routine():
            return value, call
        case Partial(function=Routine() as inner, call=partial):
            return inner, joined(partial, call)
        case Result(maker=Known(name), call=made) if name in _GRADIENTS and made.args:
            for found_value in values(module, made.args[0]):
                if isinstance(found_value, Routine):
                    return found_value, call
    return None


def _partly_made(
    module: Module, owner: ast.ClassDef, constructor: Function
) -> Iterator[ast.Call]:
    """The calls of `partial(Block, ...)`, joined with what that passes."""
    for name in names_of(module, owner) if "partial" in module.calls_by_name else ():
        for call in module.calls_by_name.get(name, ()):
            for value in values(module, call.func):
                match value:
                    case Partial(function=Class() as made, call=partial):
                        routine = method_of(made, "__init__")
                        if routine is not None and routine.node is constructor:
                            yield joined(partial, call)


def constructions(module: Module, constructor: Function) -> Iterator[ast.Call]:
    """The calls that run that `__init__`, directly or through `super()`.

    `from_config` makes again what was made elsewhere.
    """
    candidates = [*module.calls_by_name.get("__init__", ())]
    for call in module.calls_by_name.get("cls", ()):
        if "from_config" not in module.scopes.names_around(call):
            candidates.append(call)
    for node in module.classes:
        candidates += module.calls_by_name.get(node.name, ())
    for call in candidates:
        for value in values(module, call.func):
            if isinstance(value, Class):
                value = method_of(value, "__init__") or value
            if isinstance(value, Routine) and value.node is constructor:
                yield call
                break
