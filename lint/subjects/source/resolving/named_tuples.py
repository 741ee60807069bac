"""Objects of classes that `collections.namedtuple` makes, by their fields."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.values import Items, Known, Literal, Result
from .classes import keyword
from .resolve import values

if TYPE_CHECKING:
    from ..reading.module import Module

FACTORY = Known("collections.namedtuple")


def made_by(factory: Result, module: Module, call: ast.Call) -> Result:
    """Return what calling such a class gives, as a namespace of its fields."""
    fields, defaults = _fields(factory.module, factory.call)
    given = dict(zip(fields[len(fields) - len(defaults) :], defaults, strict=True))
    given |= zip(fields, call.args, strict=False)
    given |= {one.arg: one.value for one in call.keywords if one.arg in fields}
    keywords = [ast.keyword(name, value) for name, value in given.items()]
    namespace = ast.copy_location(ast.Call(call.func, [], keywords), call)
    return Result(Known("types.SimpleNamespace"), module, namespace)


@remembered
def _fields(module: Module, factory: ast.Call) -> tuple[list[str], list[ast.expr]]:
    """The names of the fields, and the defaults of the last of them."""
    names: list[str] = []
    for value in values(module, factory.args[1]) if len(factory.args) > 1 else ():
        match value:
            case Literal(value=str() as text):
                names = text.replace(",", " ").split()
            case Items(node=ast.List(elts=items) | ast.Tuple(elts=items)):
                names = [str(getattr(item, "value", "")) for item in items]
    defaults = keyword(factory, "defaults")
    if isinstance(defaults, ast.List | ast.Tuple) and len(defaults.elts) <= len(names):
        return names, defaults.elts
    return names, []
