"""The training steps of other files that may call functions of a file.

They import the function, or are given it: `fit(net, loss_fn)`.
"""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import FILES_STEPPING
from ..reading.memo import found_once, remembered
from ..reading.reach import may_reach
from ..reading.values import Class, Routine
from ..resolving.members import attribute_of_self, members
from ..resolving.resolve import values
from .step_places import takes_gradients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Methods of layers and models that Keras runs, with its phase.
_KERAS_RUNS = ("__init__", "build", "call")
_STEPS = ("GradientTape", "minimize", "stateless_call", "backward", "value_and_grad")
_CALLS = tuple(f"{word}(" for word in _STEPS)


@remembered
def stepping(module: Module) -> list[Module]:
    """The other files with training steps that import something of a file.

    None if there are too many to read.
    """
    texts, here = module.project.texts, module.real_path
    defined = {
        node.name
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    if not defined or module.path.suffix == ".ipynb" or module.is_test:
        return []
    if not _runs_what_it_gets(module):
        return []
    defined.add(module.imported_as)
    users = [
        path
        for path in texts.with_sign(_has_step)
        if os.path.realpath(path) != str(here)
        and not defined.isdisjoint(texts.words_of(path))
        and here in module.project.reach.led_to(path)
    ]
    if len(users) > FILES_STEPPING:
        return []
    found = (module.project.load(path) for path in users)
    return [user for user in found if user is not None]


@found_once
def given_functions(module: Module) -> Iterator[Module]:
    """Yield the other files with training steps that a file gives functions of its own.

    A class may be given them when it is made.
    """
    giving = [call for call in module.calls if _gives_own_function(module, call)]
    if not giving or not may_reach(module, takes_gradients):
        return
    found = {module}
    for call in giving:
        for value in values(module, call.func):
            if isinstance(value, Routine | Class) and value.module not in found:
                found.add(value.module)
                if takes_gradients(value.module.text):
                    yield value.module


def _gives_own_function(module: Module, call: ast.Call) -> bool:
    given = (*call.args, *(argument.value for argument in call.keywords))
    return any(_is_own_function(module, one) for one in given)


def _is_own_function(module: Module, given: ast.expr) -> bool:
    """Whether it is a function of the module, or a method of one of its classes."""
    match given:
        case ast.Lambda():
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _functions(module) and any(
                isinstance(value, Routine) and value.module is module
                for value in values(module, given)
            )
    return False


@remembered
def _functions(module: Module) -> frozenset[str]:
    """The names of all functions and methods of a module."""
    return frozenset(node.name for node in module.scopes.of(ast.FunctionDef))


def _has_step(text: str) -> bool:
    trains = any(call in text for call in _CALLS)
    return trains and ("keras" in text or "tensorflow" in text)


def _runs_what_it_gets(module: Module) -> bool:
    """Whether a function may run a network of another file that it is given.

    Reading all texts of a project takes longer than all other questions to a file.
    """
    for call in module.calls:
        root = call.func
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        found = module.scopes.lookup(root) if isinstance(root, ast.Name) else None
        if not found or not call.args:
            continue
        given = any(binding.kind is Kind.PARAMETER for binding in found[1])
        name = getattr(module.scopes.enclosing_function(call), "name", "")
        if given and name not in _KERAS_RUNS and not _is_own_method(module, call):
            return True
    return False


def _is_own_method(module: Module, call: ast.Call) -> bool:
    """Whether it is `self.method(...)` of the class around it."""
    owner = module.scopes.enclosing_class(call)
    name = attribute_of_self(call.func, "self")
    return owner is not None and name in members(module, owner).methods
