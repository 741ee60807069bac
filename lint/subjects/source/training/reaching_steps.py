"""The training steps of other files that may call functions of a file."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

from ..reading.limits import FILES_STEPPING
from ..reading.memo import remembered

if TYPE_CHECKING:
    from ..reading.module import Module

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
    if not defined or module.path.suffix == ".ipynb":
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
