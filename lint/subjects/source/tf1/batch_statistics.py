"""BN written with `tf.nn`, which keeps no statistics but those of the batch."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.bindings import Binding, Kind
from ..reading.values import Known
from ..resolving.classes import keyword
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Words of code that keeps averages, or asks for the phase.
_KEEPS = re.compile(
    r"moving|running|average|\bema\b|\bpop_|popul|train(?!able)|phase|infer|\btest|assign|shadow",
    re.IGNORECASE,
)
_MOMENTS = Known("tensorflow.nn.moments")
_NORMALIZING = Known("tensorflow.nn.batch_normalization")


def own_batch_statistics(module: Module) -> Iterator[ast.Call]:
    """Yield each `tf.nn.batch_normalization` with moments over the batch alone."""
    if not module.mentions("moments(") or module.is_test:
        return
    for call in module.calls_by_name.get("batch_normalization", ()):
        function = module.scopes.enclosing_function(call)
        given = call.args[1] if len(call.args) > 1 else keyword(call, "mean")
        if (
            isinstance(function, ast.FunctionDef)
            and given is not None
            and _NORMALIZING in values(module, call.func)
            and _is_of_batch(module, given)
            and not _KEEPS.search(ast.unparse(function))
        ):
            yield call


def _is_of_batch(module: Module, mean: ast.expr) -> bool:
    """Whether it is the first of the moments over the samples of a batch."""
    found = module.scopes.lookup(mean) if isinstance(mean, ast.Name) else None
    match found[1] if found is not None else None:
        case [Binding(kind=Kind.ITEM, index=0, node=ast.Call() as moments)]:
            pass
        case _:
            return False
    axes = moments.args[1] if len(moments.args) > 1 else keyword(moments, "axes")
    return (
        axes is not None
        and _MOMENTS in values(module, moments.func)
        and _holds_first(axes)
    )


def _holds_first(axes: ast.expr) -> bool:
    """Whether axes are written out, and the first is one of them."""
    match axes:
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return any(
                isinstance(part, ast.Constant) and part.value == 0 for part in parts
            )
        case ast.Call(func=ast.Name(id="list"), args=[ast.Call() as inner]):
            return _holds_first(inner)
        case ast.Call(func=ast.Name(id="range"), args=[_]):
            return True
    return False
