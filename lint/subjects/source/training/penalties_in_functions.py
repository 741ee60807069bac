"""Penalties on gradients that `torch.autograd.grad` and `jax.grad` take."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.nodes import arguments_of, last_word
from ..reading.values import Known, Routine
from ..resolving.classes import calls_in, keyword
from ..resolving.resolve import values
from ..resolving.saying import local_value, says
from .penalized import given_to, is_measured, is_size, is_trained_with_batch_norm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def penalized_in_torch(module: Module) -> Iterator[ast.Call]:
    """Yield calls penalized by `torch.autograd.grad(outputs=score, inputs=inputs)`."""
    for gradient in module.calls_by_name.get("grad", ()):
        given = dict(zip(("outputs", "inputs"), gradient.args, strict=False))
        given |= {word.arg: word.value for word in gradient.keywords if word.arg}
        if not {"outputs", "inputs"} <= given.keys() or not (
            Known("torch.autograd.grad") in values(module, gradient.func)
            and is_measured(module, gradient)
        ):
            continue
        score = _summed(module, given["outputs"])
        if (
            isinstance(score, ast.Call)
            and ast.unparse(given["inputs"]) in given_to(score)
            and says(module, score).is_constant(True)
            and is_trained_with_batch_norm(module, score.func)
        ):
            yield score


def _summed(module: Module, scores: ast.expr) -> ast.AST:
    """The scores, also where it is their sum of which gradients are taken."""
    match local_value(module, scores):
        case ast.Call(func=ast.Attribute(value=inner, attr="sum"), args=[]):
            return local_value(module, inner)
        case ast.Call(func=function, args=[inner]) if last_word(function) == "sum":
            return local_value(module, inner)
        case found:
            return found


def penalized_in_jax(module: Module) -> Iterator[ast.Call]:
    """Yield each `stateless_call` whose gradient `jax.grad` takes by its inputs."""
    if not module.mentions("stateless_call"):
        return
    for gradient in module.calls_by_name.get("grad", ()):
        around = module.scopes.enclosing_function(gradient)
        if around is None or Known("jax.grad") not in values(module, gradient.func):
            continue
        if not any(map(is_size, ast.walk(around))):
            continue
        for given in gradient.args[:1]:
            for value in values(module, given):
                if isinstance(value, Routine) and value.module is module:
                    yield from _scored_by(value, _place_of_inputs(gradient))


def _place_of_inputs(gradient: ast.Call) -> int | None:
    """The argument by which `jax.grad` differentiates: the first, or by `argnums`."""
    match keyword(gradient, "argnums"):
        case None:
            return 0
        case ast.Constant(value=int() as place):
            return place
    return None


def _scored_by(function: Routine, place: int | None) -> Iterator[ast.Call]:
    """The calls of networks with BN in training mode on one of its arguments."""
    module, given = function.module, arguments_of(function.node)
    name = given[place].arg if place is not None and place < len(given) else None
    for call in calls_in(module, function.node):
        match call:
            case ast.Call(
                func=ast.Attribute(value=network, attr="stateless_call"),
                args=[_, _, inputs, *_],
            ):
                reads = any(
                    isinstance(node, ast.Name) and node.id == name
                    for node in ast.walk(inputs)
                )
                if (
                    reads
                    and says(module, call).is_constant(True)
                    and names.BATCH_NORM in kinds_held(module, network)
                ):
                    yield call
