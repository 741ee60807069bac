"""Target networks of TensorFlow 1 that are given trainable variables alone."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.limits import VARIABLES_FOLLOWED
from ..reading.nodes import last_word
from ..reading.signs import Sign
from .graph_mode import functions_of_both_phases, reached_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_TRAINABLE = Sign(
    "trainable_variables( | TRAINABLE_VARIABLES",
    r"\btrainable_variables\(|\bTRAINABLE_VARIABLES\b",
)
# Where the statistics are named, or all variables are asked for.
_MORE = re.compile(
    r"moving_(mean|var)|\b(global|all|model)_variables\(|(GLOBAL|MODEL)_VARIABLES"
)
_PAIRS = ast.For | ast.ListComp | ast.GeneratorExp


def copied_collections(module: Module) -> Iterator[ast.Call]:
    """Yield each `zip` of two lists of trainable variables, one assigned to the other.

    Only where the module, or what it calls, builds BN that infers at some time.
    """
    if not module.matches(_TRAINABLE) or module.matches(_MORE):
        return
    found = [
        call
        for call in module.calls_by_name.get("zip", ())
        if len(call.args) == 2
        and _is_copied(module, call)
        and all(_is_trainable(module, part, VARIABLES_FOLLOWED) for part in call.args)
    ]
    if found and any(
        any(functions_of_both_phases(*call, or_inference=True))
        for call in reached_calls(module)
    ):
        yield from found


def _is_copied(module: Module, zipped: ast.Call) -> bool:
    """Whether a loop over the pairs assigns one of each to the other."""
    loop = next(
        (
            outer
            for outer in module.scopes.ancestors(zipped)
            if isinstance(outer, (*_PAIRS.__args__, ast.stmt))
        ),
        None,
    )
    return isinstance(loop, _PAIRS) and any(
        isinstance(node, ast.Call) and last_word(node.func) == "assign"
        for node in ast.walk(loop)
    )


def _is_trainable(module: Module, variables: ast.expr, depth: int) -> bool:
    """Whether it is, or was assigned, what names trainable variables."""
    written = ast.unparse(variables)
    if _TRAINABLE.search(written):
        return True
    names = {
        ast.unparse(node)
        for node in ast.walk(variables)
        if isinstance(node, ast.Name | ast.Attribute)
    }
    return depth > 0 and any(
        _is_trainable(module, node.value, depth - 1)
        for node in module.scopes.of(ast.Assign)
        if any(ast.unparse(target) in names for target in node.targets)
    )
