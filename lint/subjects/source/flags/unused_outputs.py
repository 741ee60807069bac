"""Batch normalization, dropout and the like whose output nothing uses."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.values import Class, Known, Result
from ..resolving.classes import instance_of, keras_kind, reached
from ..resolving.lineage import lineage
from ..resolving.members import attribute_of_self
from ..resolving.resolve import values
from ..resolving.saying import says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value

_LAYERS = ("keras.layers.", "kerasbn.")


def unused_outputs(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call of such a layer that is a statement, and the layer as written.

    The layer is made in place, as in `Dropout(0.5)(x)`, or is an attribute that a
    `call` runs. Elsewhere a call may be meant to make weights, and one of batch
    normalization with training=True to move its statistics.
    """
    if not (
        names.mentions_batch_norm(module.text) or names.mentions_dropout(module.text)
    ):
        return
    for statement in module.scopes.of(ast.Expr):
        call = statement.value
        if not (isinstance(call, ast.Call) and call.args) or _is_tried(module, call):
            continue
        if isinstance(call.func, ast.Call) or (
            attribute_of_self(call.func, "self") and _runs_in_call(module, call)
        ):
            kinds = _kinds(values(module, call.func))
        else:
            continue
        moves = names.BATCH_NORM in kinds and says(module, call).is_constant(True)
        if kinds and not moves:
            yield call, ast.unparse(call.func)


def _kinds(layers: tuple[Value, ...]) -> frozenset[str]:
    """What all of these are: layers of Keras that depend on the phase, or none."""
    kinds = [frozenset[str]()] if not layers else [_kinds_of(one) for one in layers]
    return frozenset.union(*kinds) if all(kinds) else frozenset()


def _kinds_of(layer: Value) -> frozenset[str]:
    match layer:
        case Result(maker=Known(name)) if name.startswith(_LAYERS):
            return names.kinds_named(name)
        case Result(maker=Class() as cls):
            named = [base.name for base in lineage(cls) if isinstance(base, Known)]
            return frozenset().union(*map(names.kinds_named, named))
    return frozenset()


def _runs_in_call(module: Module, call: ast.Call) -> bool:
    """Whether a `call` of Keras runs it, and not to make its weights."""
    function = module.scopes.enclosing_function(call)
    owner = None if function is None else module.owner_of(function)
    if owner is None or "build" in getattr(function, "name", ""):
        return False
    cls = instance_of(module, owner)
    asked = (
        ast.unparse(outer.test)
        for outer in module.scopes.ancestors(call)
        if isinstance(outer, ast.If)
    )
    return (
        keras_kind(cls) is not None
        and any(routine.node is function for routine in reached(cls, "call"))
        and not any("built" in test for test in asked)
    )


def _is_tried(module: Module, call: ast.Call) -> bool:
    """Whether a test, or a `with` or `try` around it, is there to see it fail."""
    around = module.scopes.names_around(call)
    return (
        module.is_test
        or any(map(hints.is_test, around))
        or any(
            isinstance(outer, ast.With | ast.Try)
            for outer in module.scopes.ancestors(call)
        )
    )
