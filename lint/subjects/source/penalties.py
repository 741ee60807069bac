"""Penalties on the gradient of each sample, taken through BN."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .. import names
from .callers import handed_in
from .classes import calls_in, keyword
from .contents import kinds_held
from .nodes import last_word
from .owners import owners
from .resolve import values
from .saying import FLAG, FLAG_OF_FUNCTIONS, How, local_value, says
from .values import Known, Routine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module
    from .values import Value

_NORMS = ("norm", "sqrt", "square", "reduce_euclidean_norm", "l2_loss")
_GRADIENTS = {Known("tensorflow.gradients"), Known("tensorflow.compat.v1.gradients")}
_BRANCH = ast.If | ast.IfExp | ast.Lambda
_DEPTH = 3
_APPLYING = ("apply_gradients", "minimize", "apply", "backward")


def penalties_through_batch_norm(module: Module) -> Iterator[ast.Call]:
    """Yield each call of a network with BN whose gradient by its input is penalized.

    In a loss of its own, which sees no network, that is the call for the gradient.
    """
    yield from _penalised_in_graphs(module)
    yield from _penalised_in_losses(module)
    yield from _penalised_in_torch(module)
    if not module.mentions("GradientTape"):
        return
    for node in module.scopes.of(ast.With):
        for item in node.items:
            tape = item.optional_vars
            if isinstance(tape, ast.Name) and _is_tape(module, item.context_expr):
                yield from _penalised(module, node, tape)


def _penalised_in_graphs(module: Module) -> Iterator[ast.Call]:
    """Yield calls penalized by TF 1's `tf.gradients(score, [input])`, less one."""
    for gradient in module.calls_by_name.get("gradients", ()):
        if len(gradient.args) < 2 or not _is_one_away(module, gradient):
            continue
        if _GRADIENTS.isdisjoint(values(module, gradient.func)):
            continue
        score = local_value(module, gradient.args[0])
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


def _is_network_in_training(module: Module, call: ast.Call) -> bool:
    """Whether a network of Keras with BN is told to train."""
    return says(module, call).is_constant(True) and any(
        names.BATCH_NORM in kinds_held(where, network)
        for where, network in ((module, call.func), *handed_in(module, call.func))
    )


def _penalised_in_torch(module: Module) -> Iterator[ast.Call]:
    """Yield calls penalized by `torch.autograd.grad(outputs=score, inputs=inputs)`."""
    for gradient in module.calls_by_name.get("grad", ()):
        given = dict(zip(("outputs", "inputs"), gradient.args, strict=False))
        given |= {word.arg: word.value for word in gradient.keywords if word.arg}
        if not {"outputs", "inputs"} <= given.keys() or not (
            Known("torch.autograd.grad") in values(module, gradient.func)
            and _is_measured(module, gradient)
        ):
            continue
        score = local_value(module, given["outputs"])
        if (
            isinstance(score, ast.Call)
            and ast.unparse(given["inputs"]) in _given_to(score)
            and says(module, score).is_constant(True)
            and _is_trained_with_batch_norm(module, score.func)
        ):
            yield score


def _penalised_in_losses(module: Module) -> Iterator[ast.Call]:
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
        ) or not _is_one_away(module, gradient):
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
    """Whether the inputs that a loss is bound to go through a network with BN."""
    inputs = keyword(bound, given)
    if inputs is None:
        return False
    scope, text = module.scopes.scope_of(bound), ast.unparse(inputs)
    return any(
        call is not bound
        and module.scopes.scope_of(call) is scope
        and text in _given_to(call)
        and not says(module, call).is_constant(False)
        and names.BATCH_NORM in kinds_held(module, call.func)
        for call in module.calls
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


def _is_one_away(module: Module, gradient: ast.Call) -> bool:
    """Whether its size is calculated where something is compared with 1."""
    scope = module.scopes.scope_of(gradient)
    return _is_measured(module, gradient) and any(
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Sub)
        and any(
            isinstance(side, ast.Constant) and side.value == 1
            for side in (node.left, node.right)
        )
        and module.scopes.scope_of(node) is scope
        for node in module.scopes.nodes
    )


def _is_tape(module: Module, made: ast.expr) -> bool:
    return isinstance(made, ast.Call) and Known("tensorflow.GradientTape") in values(
        module, made.func
    )


def _penalised(module: Module, node: ast.With, tape: ast.Name) -> Iterator[ast.Call]:
    function = module.scopes.enclosing_function(node)
    calls = list(calls_in(module, function)) if function is not None else module.calls
    inputs = {
        name
        for call in calls
        for name in _inputs(module, call, tape)
        if _is_measured(module, call)
    }
    for call in calls:
        inside = node in module.scopes.ancestors(call)
        if not inside or _given_to(call).isdisjoint(inputs):
            continue
        said = says(module, call)
        if said.is_nothing or (said.how is How.CONSTANT and not said.flag):
            continue  # in inference mode each sample is independent
        if _is_trained_with_batch_norm(module, call.func):
            yield call


def _is_trained_with_batch_norm(module: Module, network: ast.expr) -> bool:
    """Whether it holds BN, here or where it is passed in, and gradients are applied."""
    return any(
        names.BATCH_NORM in kinds_held(where, known)
        and any(word in where.calls_by_name for word in _APPLYING)
        for where, known in ((module, network), *handed_in(module, network))
    )


def _given_to(call: ast.Call) -> set[str]:
    """Return a call's arguments, as written, and the items of a list in first place."""
    given = {ast.unparse(argument) for argument in call.args}
    for part in call.args[:1]:
        if isinstance(part, ast.List | ast.Tuple):
            given |= {ast.unparse(element) for element in part.elts}
    return given


def _inputs(module: Module, call: ast.Call, tape: ast.Name) -> Iterator[str]:
    """Yield the inputs of `tape.gradient(score, input)`, unless they are variables."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name() as used, attr="gradient"),
            args=[_, sources, *_],
        ):
            found = module.scopes.lookup(used)
            ours = any(entry.place is tape for entry in (found[1] if found else ()))
            if ours and not any(owners(module, sources)):
                parts = [sources]
                if isinstance(sources, ast.List | ast.Tuple):
                    parts = sources.elts
                yield from map(ast.unparse, parts)


def _is_measured(module: Module, gradient: ast.Call) -> bool:
    """Whether the size of gradients is calculated, of their own or of a name's."""
    parent = module.scopes.parents.get(gradient)
    if isinstance(parent, ast.Subscript):  # tape.gradient(score, [x])[0]
        parent = module.scopes.parents.get(parent)
    name = ""
    match parent:
        case ast.Assign(targets=[ast.Name(id=str() as one)]):
            name = one
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=str() as one)])]):
            name = one  # (slope,) = tape.gradient(score, [x])
    scope = module.scopes.scope_of(gradient)
    return any(
        _is_size(node)
        and module.scopes.scope_of(node) is scope
        and any(
            inner is gradient or (isinstance(inner, ast.Name) and inner.id == name)
            for inner in ast.walk(node)
        )
        for node in module.scopes.nodes
    )


def _is_size(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=function):
            return last_word(function) in _NORMS
        case ast.BinOp(op=ast.Pow()):
            return True
    return False
