"""Functions that get a network and call it for a loss, without a phase."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.values import Parameter, parameters
from ..resolving.callers import is_called_widely
from ..resolving.classes import calls_in, keyword
from ..resolving.local_calls import calls_of
from ..resolving.members import returns_of
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says, says_otherwise
from .applying import applies_somewhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_LOSS = re.compile(r"(^|_)loss(es)?(_fn)?$", re.IGNORECASE)
_GETS_NETWORK = re.compile(r"def \w*loss\w*\([^)]*\b(model|network|net)\b")
_NETWORKS = ("model", "network", "net")
_KERAS = ("keras", "tensorflow")
_OTHERS = ("import torch", "from torch", "import flax", "from flax", "sonnet")


def has_losses(module: Module) -> bool:
    """Whether a function named as a loss gets a network."""
    return module.matches(_GETS_NETWORK)


def lost_in_losses(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls of such a network, in a function that no step here calls.

    What calls it under a tape is not in sight, and cannot pass a phase.
    """
    if (
        not has_losses(module)
        or not module.mentions(*_KERAS)
        or module.mentions(*_OTHERS)
        or module.is_test
    ):
        return
    applied = applies_somewhere(module)
    for function in module.scopes.of(ast.FunctionDef):
        given = [name for name in parameters(function) if name in _NETWORKS]
        if (
            not _LOSS.search(function.name)
            or not given
            or any(map(hints.is_flag_like, parameters(function)))
            or not returns_of(module, function)
            or (applied and calls_of(module, function))
            or is_called_widely(module, function)
        ):
            continue
        calls = list(calls_in(module, function))
        if any(keyword(call, FLAG) is not None for call in calls):
            continue
        for call in calls:
            if (
                isinstance(call.func, ast.Name)
                and call.func.id in given
                and (call.args or call.keywords)
                and not says_otherwise(call)
                and says(module, call).is_nothing
                and any(
                    isinstance(value, Parameter) for value in values(module, call.func)
                )
            ):
                yield call, call.func.id
