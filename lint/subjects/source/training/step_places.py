"""Places where a training step takes its gradients, on any backend."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.memo import found_once
from ..reading.nodes import last_word
from ..reading.values import Known
from ..resolving.resolve import values
from .tapes import TAPE, records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_OF_JAX = ("grad", "value_and_grad", "vjp")
_DIFFERENTIATES = re.compile(r"\bjax\.(value_and_)?grad\b")
_SIGNS = (
    *(TAPE, ".backward(", "autograd.grad", "value_and_grad"),
    *("jax.grad", "jax.vjp", "nnx.grad"),
)
_OF_TORCH = Known("torch.autograd.grad")

StepPlace = ast.With | ast.Call | ast.FunctionDef
"""A `with` that opens a tape, `loss.backward()`, `torch.autograd.grad(loss, ...)`,
`jax.grad(...)`, or what it decorates.
"""


def takes_gradients(text: str) -> bool:
    """Whether a source may take gradients."""
    return any(sign in text for sign in _SIGNS)


@found_once
def step_places(module: Module) -> Iterator[StepPlace]:
    """Yield where a module takes gradients."""
    if module.mentions(TAPE):
        yield from filter(_may_record, module.scopes.of(ast.With))
    yield from backward_calls(module)
    yield from taken_by_torch(module)
    yield from gradients_of_jax(module)


def _may_record(node: ast.With) -> bool:
    """Whether it opens a tape, perhaps one that was made before: `with tape:`."""
    return records(node) or any(
        isinstance(item.context_expr, ast.Name | ast.Attribute) for item in node.items
    )


def backward_calls(module: Module) -> list[ast.Call]:
    """List the calls of `loss.backward()`."""
    found = module.calls_by_name.get("backward", ())
    return list(found) if module.mentions("torch") else []


def is_of_torch(module: Module, place: ast.Call) -> bool:
    """Whether a call takes gradients of a loss as PyTorch does."""
    return last_word(place.func) == "backward" or (
        last_word(place.func) == "grad" and _OF_TORCH in values(module, place.func)
    )


def taken_by_torch(module: Module) -> Iterator[ast.Call]:
    """Yield the calls of `torch.autograd.grad`."""
    for call in (
        module.calls_by_name.get("grad", ()) if module.mentions("torch") else ()
    ):
        if is_of_torch(module, call):
            yield call


def gradients_of_jax(module: Module) -> Iterator[ast.Call | ast.FunctionDef]:
    """Yield the calls of `jax.grad` and the like, and the functions it decorates."""
    for word in _OF_JAX if module.mentions("jax", "nnx") else ():
        yield from module.calls_by_name.get(word, ())
    for node in module.scopes.of(ast.FunctionDef) if module.mentions("jax") else ():
        written = " ".join(map(ast.unparse, node.decorator_list))
        if _DIFFERENTIATES.search(written):
            yield node
