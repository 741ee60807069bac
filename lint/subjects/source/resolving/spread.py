"""What attributes are that a method gives its instance from a mapping of settings."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.memo import remembered
from ..reading.nodes import Function
from ..reading.values import Items, dict_entries, parameters
from .lineage import project_lineage
from .mappings import mappings_in
from .members import members
from .packed import is_complete
from .passed import collected, passed_for
from .resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module
    from ..reading.values import Class
    from .members import Method
    from .passed import Given
    from .runs import Run


@dataclass(frozen=True)
class _Spread:
    """A mapping whose entries a method makes attributes of its instance."""

    module: Module
    method: Method
    mapping: ast.expr

    def is_before(self, module: Module, node: ast.AST) -> bool:
        """Whether it comes before a node of the same method."""
        line: int = getattr(node, "lineno", 0)
        return self.method in module.scopes.ancestors(node) and (
            self.mapping.lineno < line
        )


def attribute_outcomes(
    cls: Class, name: str, given: Iterable[tuple[Module, ast.expr]], run: Run | None
) -> list[Given]:
    """What `self.name` is: what a mapping has under that name, or else what is given.

    `given` is what the class itself gives it, run by the call `run`.
    """
    own: list[Given] = [(*one, run) for one in given]
    for spread in _spreads_of(cls):
        later = [one for one in own if one and spread.is_before(one[0], one[1])]
        left_out: Given = (spread.module, spread.mapping, run)
        found: list[Given] = []
        for entry in _entries(spread, name, run, left_out):
            if entry is not None and entry is left_out:
                found += own or [None]
            else:
                found.append(entry)
        own = list(dict.fromkeys([*found, *later]))
    return own


def is_spread(cls: Class) -> bool:
    """Whether a mapping may have the attributes of its instances."""
    return bool(_spreads_of(cls))


def _spreads_of(cls: Class) -> list[_Spread]:
    return [
        spread
        for ancestor in project_lineage(cls)
        for spread in _spreads(ancestor.module, ancestor.node)
    ]


@remembered
def _spreads(module: Module, node: ast.ClassDef) -> tuple[_Spread, ...]:
    if not module.mentions("__dict__", "vars(", "setattr("):
        return ()
    return tuple(
        _Spread(module, method, mapping)
        for method in members(module, node).methods.values()
        for mapping in mappings_in(method)
    )


def _entries(
    spread: _Spread, name: str, run: Run | None, left_out: Given
) -> Iterator[Given]:
    """What the mapping has under a name; `left_out` if it has no such entry."""
    module, mapping = spread.module, spread.mapping
    if isinstance(mapping, ast.Call) and ast.unparse(mapping) == "locals()":
        if name in parameters(spread.method):
            yield from passed_for(module, spread.method, name, run)
        else:
            yield left_out
        return
    collecting = collected(module, mapping, name, run, left_out)
    if collecting is not None:
        yield from collecting
        return
    for given in _handed(module, mapping, run):
        yield from _entry(given, name, left_out)


def _handed(module: Module, mapping: ast.expr, run: Run | None) -> Iterator[Given]:
    """The mapping as written, or what is passed for it."""
    found = module.scopes.lookup(mapping) if isinstance(mapping, ast.Name) else None
    match found and found[1]:
        case [binding] if binding.kind is Kind.PARAMETER:
            assert isinstance(mapping, ast.Name)
            assert isinstance(binding.place, Function)
            yield from passed_for(module, binding.place, mapping.id, run)
        case _:
            yield module, mapping, run


def _entry(given: Given, name: str, left_out: Given) -> Iterator[Given]:
    if given is None:
        yield None
        return
    module, mapping, run = given
    for settings in values(module, mapping) or (None,):
        if not isinstance(settings, Items):
            yield None
        elif is_complete(module, mapping, settings):
            entry = dict_entries(settings).get(name)
            yield left_out if entry is None else (settings.module, entry, run)
        else:
            yield None
