"""Penalties on gradients in graphs of TensorFlow 1 and of Keras 2."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.bindings import Binding, Kind
from ..reading.values import Known, Routine
from ..resolving.callers import handed_in
from ..resolving.classes import calls_in, keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG, FLAG_OF_FUNCTIONS, How, local_value, says
from .penalized import given_to, is_one_away

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value

_GRADIENTS = {Known("tensorflow.gradients"), Known("tensorflow.compat.v1.gradients")}
_BRANCH = ast.If | ast.IfExp | ast.Lambda
_DEPTH = 3


def penalized_in_graphs(module: Module) -> Iterator[ast.Call]:
    """Yield calls penalized by TF 1's `tf.gradients(score, [input])`, less one."""
    for gradient in module.calls_by_name.get("gradients", ()):
        if len(gradient.args) < 2 or not is_one_away(module, gradient):
            continue
        if _GRADIENTS.isdisjoint(values(module, gradient.func)):
            continue
        score = _scored(module, gradient.args[0])
        sources = gradient.args[1]
        parts = sources.elts if isinstance(sources, ast.List | ast.Tuple) else [sources]
        inputs = {ast.unparse(part) for part in parts}
        if (
            isinstance(score, ast.Call)
            and not inputs.isdisjoint(map(ast.unparse, score.args))
            and not any(
                says(module, score, name=flag).is_constant(False)
                for flag in (FLAG, FLAG_OF_FUNCTIONS)
            )
            and (
                any(_runs_batch_norm(value) for value in values(module, score.func))
                or _is_network_in_training(module, score)
            )
        ):
            yield score


def _scored(module: Module, score: ast.expr) -> ast.AST:
    """What gives a score, also as one of several results: `_, score = network(x)`."""
    value = local_value(module, score)
    match value:
        case ast.Subscript(value=call):
            return call
        case ast.Name():
            match module.scopes.lookup(value):
                case scope, [Binding(kind=Kind.ITEM, index=int(), node=node)] if (
                    scope is module.scopes.scope_of(value)
                ):
                    return node
    return value


def _is_network_in_training(module: Module, call: ast.Call) -> bool:
    """Whether a network of Keras with BN is called as in training."""
    return says(module, call).is_constant(True) and any(
        names.BATCH_NORM in kinds_held(where, network)
        for where, network in ((module, call.func), *handed_in(module, call.func))
    )


def _runs_batch_norm(value: Value, depth: int = 0) -> bool:
    """Whether a function surely calls BN, itself or in a function that it calls.

    Its arguments do not count: fakes come from a generator that may hold BN.
    """
    if not isinstance(value, Routine) or depth > _DEPTH:
        return False
    module = value.module
    for call in calls_in(module, value.node):
        if any(
            isinstance(ancestor, _BRANCH) for ancestor in module.scopes.ancestors(call)
        ):
            continue
        for called in values(module, call.func):
            if isinstance(called, Known) and called.name in names.BATCH_NORM_FUNCTIONS:
                # Without a flag, its phase depends on which function it is.
                said = says(module, call, name=FLAG)
                other = says(module, call, name=FLAG_OF_FUNCTIONS)
                return any(
                    answer.how is not How.NOTHING and not answer.is_constant(False)
                    for answer in (said, other)
                )
            if _runs_batch_norm(called, depth + 1):
                return True
    return False


def penalized_in_losses(module: Module) -> Iterator[ast.Call]:
    """Yield each `K.gradients(score, inputs)` in a loss that is bound to the inputs."""
    for gradient in module.calls_by_name.get("gradients", ()):
        loss = module.scopes.enclosing_function(gradient)
        match gradient.args:
            case [ast.Name(), ast.Name(id=given)] if loss is not None:
                pass
            case _:
                continue
        if Known("keras.backend.gradients") not in values(
            module, gradient.func
        ) or not is_one_away(module, gradient):
            continue
        if any(
            isinstance(value, Routine)
            and value.node is loss
            and _scores_by_batch_norm(module, bound, given)
            for bound in module.calls_by_name.get("partial", ())
            for part in bound.args[:1]
            for value in values(module, part)
        ):
            yield gradient


def _scores_by_batch_norm(module: Module, bound: ast.Call, given: str) -> bool:
    """Whether the inputs that a loss is bound to go through a network with BN.

    A critic is frozen for the generator's turn, later: its own model is compiled by
    then.
    """
    inputs = keyword(bound, given)
    if inputs is None:
        return False
    scope, text = module.scopes.scope_of(bound), ast.unparse(inputs)
    return any(
        call is not bound
        and module.scopes.scope_of(call) is scope
        and text in given_to(call)
        and not says(module, call).is_constant(False)
        and names.BATCH_NORM in kinds_held(module, call.func, even_frozen=True)
        for call in module.calls
    )
