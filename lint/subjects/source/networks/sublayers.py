"""Layers out of sight that depend on the phase, by how the module treats them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.memo import remembered
from ..reading.values import Class, Items, Known, Parameter, Result
from ..resolving.classes import keyword
from ..resolving.lineage import project_lineage
from ..resolving.resolve import values
from ..resolving.saying import FLAG, How, says

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..reading.values import Value

_KERAS_OR_OTHER = ("keras.", "kerasbn.", "tensorflow.", "torch.", "numpy.")
_Held = tuple[ast.ClassDef | None, str]


def may_depend_on_phase(module: Module, layer: ast.expr) -> bool:
    """Whether a layer that is called is passed in, or gets the phase elsewhere.

    That is, the same attribute of the same class, or another instance of a class of
    another library; or such an instance is made with a rate of dropout.
    """
    held = _held(module, layer)
    if held is None or hints.is_function(held[1]):
        return False
    found = values(module, layer)
    _, libraries = _flagged(module)
    if any(isinstance(value, Result) and _is_dropping(value) for value in found):
        return True
    if any(_library_of(candidate) in libraries for candidate in found):
        return True
    if found and all(isinstance(candidate, Parameter) for candidate in found):
        return True
    return _is_flagged(module, held) and all(
        isinstance(value, Parameter | Items) or _library_maker(value) for value in found
    )


def gets_phase_elsewhere(module: Module, layer: ast.expr) -> bool:
    """Whether what the class holds and calls here gets the phase elsewhere in it."""
    held = _held(module, layer)
    return (
        held is not None
        and _is_flagged(module, held)
        and may_depend_on_phase(module, layer)
    )


def is_passed_phase(module: Module, layer: ast.expr) -> bool:
    """Whether what the class holds and calls here is passed a parameter as its phase.

    That is elsewhere in the class, so that a graph built here may be for inference.
    """
    held = _held(module, layer)
    return held is not None and any(
        held == _held(module, call.func)
        for call in module.calls
        if keyword(call, FLAG) is not None and says(module, call).how is How.PASSED_ON
    )


def _is_flagged(module: Module, held: _Held) -> bool:
    """Whether it gets a phase somewhere in the class, or in a base class here."""
    node, name = held
    flagged, _ = _flagged(module)
    return held in flagged or (
        node is not None
        and any(
            (base.node, name) in flagged
            for base in project_lineage(Class(module, node))
        )
    )


@remembered
def _flagged(module: Module) -> tuple[frozenset[_Held], frozenset[str]]:
    """The attributes, and the classes of other libraries, that get a phase."""
    calls = [call for call in module.calls if keyword(call, FLAG) is not None]
    held = {_held(module, call.func) for call in calls} - {None}
    libraries = {
        _library_of(value) for call in calls for value in values(module, call.func)
    } - {""}
    return frozenset(held), frozenset(libraries)  # type: ignore[arg-type]


def _held(module: Module, called: ast.expr) -> _Held | None:
    """The class and the attribute of `self` that holds what is called, or its items."""
    layer = called
    if isinstance(layer, ast.Name):
        loop = module.scopes.loop_of(layer)
        layer = layer if loop is None else loop.iter
    while isinstance(layer, ast.Subscript):
        layer = layer.value
    while isinstance(layer, ast.Call) and layer.args:  # reversed, zip, enumerate
        layer = layer.args[-1]
    match layer:
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return module.scopes.enclosing_class(called), name
    return None


def _is_dropping(layer: Result) -> bool:
    """Whether it is made by another library, with a rate of dropout other than 0."""
    return bool(_library_of(layer)) and any(
        argument.arg is not None
        and "drop" in argument.arg
        and getattr(argument.value, "value", True) not in (0, 0.0, None, False)
        for argument in layer.call.keywords
    )


def _library_of(value: Value) -> str:
    """The class of another library that it is an instance of; nothing if none."""
    name = _library_maker(value)
    return name if name.rpartition(".")[2][:1].isupper() else ""


def _library_maker(value: Value) -> str:
    """The class or the function of another library that made it; nothing if none."""
    match value:
        case Result(maker=Known(name)) if not name.startswith(_KERAS_OR_OTHER):
            return name
    return ""
