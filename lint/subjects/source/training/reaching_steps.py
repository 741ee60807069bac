"""The training steps of other files that may call functions of a file."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

from ..reading.bindings import Kind
from ..reading.limits import FILES_STEPPING
from ..reading.memo import remembered
from ..resolving.members import attribute_of_self, members

if TYPE_CHECKING:
    from ..reading.module import Module

# Methods of layers and models that Keras runs, with its phase.
_KERAS_RUNS = ("__init__", "build", "call")
STEPS = ("GradientTape", "minimize", "stateless_call", "backward")
_CALLS = tuple(f"{word}(" for word in STEPS)


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
