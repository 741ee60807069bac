"""Items of lists and entries of dicts: `collection[index]`."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.limits import VALUES
from ..reading.nodes import last_word
from ..reading.values import (
    Class,
    Items,
    Known,
    Literal,
    Parameter,
    Result,
    Routine,
    Value,
    dict_entries,
)
from .dict_calls import made_on_demand, unwritten_entries
from .registries import registered
from .resolve import reads, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Names of layers that normalize or do nothing; none of what has no name, such as None.
_NORMALIZES = re.compile(r"Norm|^Identity$|^$")


@reads(ast.Subscript)
def _item(module: Module, subscript: ast.Subscript) -> Iterator[Value]:
    keys = constants(module, subscript.slice)
    for value in values(module, subscript.value):
        if isinstance(value, Items) and (
            isinstance(value.node, ast.Dict | ast.Call) or registered(value)
        ):
            yield from asked_for(value, keys)
            continue
        place = keys[0] if len(keys) == 1 and isinstance(keys[0], int) else None
        yield from parts(value, None if place is None or place < 0 else place)


def parts(value: Value, index: int | None) -> Iterator[Value]:
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
                    yield from parts(inner, None)
                trail.leave(element)
        else:
            yield from values(value.module, element)
    if index is None or not elements:
        yield from _appended(value)


def _appended(value: Items) -> Iterator[Value]:
    """Yield what `name.append(...)` puts into a list, in the scope that makes it."""
    module = value.module
    match module.scopes.parents.get(value.node):
        case ast.Assign(targets=[ast.Name(id=name)]):
            scope = module.scopes.scope_of(value.node)
            for call in module.calls_by_name.get("append", ()):
                match call:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id=base)), args=[added]
                    ) if base == name and module.scopes.scope_of(call) is scope:
                        yield from values(module, added)


def asked_for(value: Items, keys: list[object]) -> Iterator[Value]:
    """Yield the entries of a dict with these keys; any entry if none is known."""
    found = list(_entries(value, keys) if keys else _any_entry(value))
    yield from found or _made_by_call(value)
    for key, entry in registered(value):
        if not keys or key is None or key in keys:
            yield entry


def _entries(value: Items, keys: list[object]) -> Iterator[Value]:
    """The entries of a dict with these keys."""
    entries = dict_entries(value)
    for key in keys:
        if key in entries:
            yield from values(value.module, entries[key])
        elif isinstance(value.node, ast.Dict):
            yield from _spread(value, value.node, key)


def _spread(value: Items, written: ast.Dict, key: object) -> Iterator[Value]:
    """The entry of the last dict among those that a dict is made of: `{**settings}`."""
    trail = value.module.project.trail
    if not trail.enter(written):  # settings = {**settings, ...}
        return
    for name, inner in reversed(list(zip(written.keys, written.values, strict=True))):
        found = [
            entry
            for one in (values(value.module, inner) if name is None else ())
            if isinstance(one, Items)
            for entry in asked_for(one, [key])
        ]
        yield from found
        if found:
            break
    trail.leave(written)


def _any_entry(value: Items) -> Iterator[Value]:
    """What a registry holds, by whatever name; its constants are settings, not that.

    Of other libraries, that is only what all normalizes, so that each may stand for it.
    """
    entries = list(dict_entries(value).values())[:VALUES]
    kept: tuple[type[Value], ...] = (Class, Routine, Result)
    if entries and all(_NORMALIZES.search(last_word(entry)) for entry in entries):
        kept = (*kept, Known)
    for entry in entries:
        if isinstance(entry, ast.Name | ast.Attribute | ast.Call):
            for found in values(value.module, entry):
                if isinstance(found, kept):
                    yield found


def _made_by_call(value: Items) -> Iterator[Value]:
    """The networks of a dict that a call makes, which are not written with a key."""
    if not isinstance(value.node, ast.Call):
        return
    module = value.module
    entries, made = unwritten_entries(value.node), made_on_demand(module, value.node)
    found = [] if entries is None else list(values(module, entries))
    candidates = [part for one in found for part in parts(one, None)]
    candidates += [] if made is None else values(module, made)
    for one in candidates:
        match one:
            case Result(maker=Known(name)) if name.startswith(("keras.", "kerasbn.")):
                yield one
            case Result(maker=Class()):
                yield one


def constants(module: Module, expression: ast.expr) -> list[object]:
    """Return the constants that an expression may be."""
    found = values(module, expression)
    return [value.value for value in found if isinstance(value, Literal)]
