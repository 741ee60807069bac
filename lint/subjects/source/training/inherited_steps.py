"""Training steps of base classes: what they call, subclasses define."""

from __future__ import annotations

import ast
from itertools import islice
from typing import TYPE_CHECKING

from ..networks.parts import is_empty
from ..reading.limits import SUBCLASSES
from ..reading.reach import may_reach
from ..reading.values import Class
from ..resolving.classes import calls_in, keras_kind
from ..resolving.heirs import inherits
from ..resolving.instances import descendants, given_by, subclasses
from ..resolving.lineage import method_of, project_lineage
from ..resolving.members import attribute_of_self, self_name
from .passed_losses import passed_losses
from .step_places import step_places, takes_gradients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..resolving.members import Method
    from .step_places import StepPlace

# Methods that a network inherits from Keras.
_OF_KERAS = {
    *("compute_loss", "compute_metrics", "compiled_loss", "compiled_metrics"),
    *("add_loss", "add_metric", "predict", "get_layer"),
}


def subclasses_of_step(module: Module, place: StepPlace) -> Iterator[Class]:
    """Yield the subclasses here that inherit the method that a step is in."""
    found = _stepping_class(module, place)
    if found is not None:
        cls, method = found
        near = subclasses(cls, everywhere=False)
        yield from islice((one for one in near if inherits(one, method)), SUBCLASSES)


def files_of_subclasses(module: Module) -> Iterator[Module]:
    """Yield other files with subclasses of classes here whose steps need them.

    Such a class does not show what it calls.
    """
    found: dict[Module, None] = {}
    for place in step_places(module):
        stepping = _stepping_class(module, place)
        if stepping is not None:
            cls, method = stepping
            if not _shows(cls, {*_calls_of_step(module, place, method)}):
                found |= dict.fromkeys(one.module for one in descendants(cls))
    found.pop(module, None)
    yield from islice(found, SUBCLASSES)


def inherited_steps(module: Module) -> Iterator[tuple[Module, StepPlace, Class]]:
    """Yield the steps that classes of a module inherit from those of other files.

    Each is its file, where it takes its gradients, and the class that inherits it.
    """
    extending = [node for node in module.classes if node.bases]
    for node in extending if extending and may_reach(module, takes_gradients) else ():
        cls = Class(module, node)
        for base in project_lineage(cls)[1:]:
            where = base.module
            for place in step_places(where) if where is not module else ():
                method = _method_around(where, place)
                if (
                    method is not None
                    and where.owner_of(method) is base.node
                    and inherits(cls, method)
                    and any(_calls_of_step(where, place, method))
                ):
                    yield where, place, cls


def _stepping_class(module: Module, place: StepPlace) -> tuple[Class, Method] | None:
    """The class and method that a step is in, if that calls others of its instance."""
    method = _method_around(module, place)
    owner = None if method is None else module.owner_of(method)
    if method is None or owner is None:
        return None
    if not any(_calls_of_step(module, place, method)):
        return None
    return Class(module, owner), method


def _method_around(module: Module, place: ast.AST) -> Method | None:
    """The method that a node is in, or in a function inside of."""
    for outer in module.scopes.ancestors(place):
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef) and (
            module.owner_of(outer) is not None
        ):
            return outer
    return None


def _calls_of_step(module: Module, place: StepPlace, method: Method) -> Iterator[str]:
    """`name` of every `self.name(...)` under a tape, or in the method of a step.

    Also in methods that pass it their loss.
    """
    inside = place if isinstance(place, ast.With) else method
    yield from _own_calls(module, inside, method)
    if isinstance(place, ast.Call):
        for _, loss in passed_losses(module, place):
            handing = _method_around(module, loss)
            if handing is not None:
                yield from _own_calls(module, handing, handing)
        for given in place.args[:1]:  # jax.grad(self.name)
            name = attribute_of_self(given, self_name(method))
            yield from () if name is None else (name,)


def _own_calls(module: Module, node: ast.AST, method: Function) -> Iterator[str]:
    """`name` of every `self.name(...)` in a piece of the method's code.

    That of `self(...)` is "call".
    """
    me = self_name(method)
    for call in calls_in(module, method):
        match call.func:
            case ast.Attribute(value=called, attr="stateless_call") | called:
                is_own = isinstance(called, ast.Name) and called.id == me
                name = "call" if is_own else attribute_of_self(called, me)
        if name is not None and node in (method, *module.scopes.ancestors(call)):
            yield name


def _shows(cls: Class, names: set[str]) -> bool:
    """Whether the class, or a base of it, says what it calls by these names."""
    seen = set(_OF_KERAS) if keras_kind(cls) is not None else set()
    pending = [*(names - seen)]
    seen |= names
    while pending:
        name = pending.pop()
        routine = method_of(cls, name)
        if routine is None:
            if all(is_empty(given) for _, given in given_by(cls, name)):
                return False
        elif not _has_body(routine.node):
            return False
        else:
            called = {*_own_calls(routine.module, routine.node, routine.node)} - seen
            seen |= called
            pending += called
    return True


def _has_body(function: Function) -> bool:
    """Whether it does anything: not `...`, `pass` or `raise NotImplementedError`."""
    if isinstance(function, ast.Lambda):
        return True
    for statement in function.body:
        match statement:
            case ast.Pass() | ast.Raise() | ast.Expr(value=ast.Constant()):
                continue
        return True
    return False
