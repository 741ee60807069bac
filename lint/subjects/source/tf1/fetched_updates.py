"""Places that fetch the updates of BN in TensorFlow 1, and whether these then run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.nodes import last_word
from ..reading.values import Known
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Names that run the updates by themselves, or fetch them in their own way.
_RUNS_UPDATES = re.compile(
    r"\b(create_train_op|optimize_loss|get_updates_for|make_train_op)\b"
    r"|\.updates\b|add_update\("
)
# A list of the code's own, whatever it holds.
_OWN_UPDATES = re.compile(r"\bself\.updates\s*=")
_FETCH = re.compile(r"UPDATE_OPS|update", re.IGNORECASE)
_MAKING = (ast.Call, ast.BinOp, ast.Compare, ast.UnaryOp, ast.Yield)
_ENTERS = re.compile(r"as_default|Session")


def names_updates(module: Module) -> bool:
    """Whether the module runs updates without fetching the collection."""
    text = module.code
    if _OWN_UPDATES.search(text):
        text = text.replace("self.updates", "")
    return _RUNS_UPDATES.search(text) is not None


def runs_updates(module: Module) -> bool:
    """Whether the module itself runs the updates."""
    return (
        names_updates(module)
        or module.may_hide("UPDATE_OPS")
        or any(_is_used(module, call) for call in fetched_updates(module))
    )


def fetched_updates(module: Module) -> Iterator[ast.Call]:
    """Yield each call that fetches the updates from their collection."""
    for word in ("get_collection", "get_collection_ref"):
        for call in module.calls_by_name.get(word, ()):
            asked = " ".join(ast.unparse(argument) for argument in call.args[:1])
            if _FETCH.search(asked):
                yield call


def _is_used(module: Module, fetched: ast.Call) -> bool:
    """Whether the fetched updates are used, not just shown."""
    for outer in module.scopes.ancestors(fetched):
        match outer:
            case ast.Call(func=function) if last_word(function) == "print":
                return False
            case ast.Expr():
                return False
            case ast.With():
                return not _makes_no_op(outer)
            case ast.Assign(targets=[ast.Name(id=name)]):
                return any(
                    node.id == name
                    and isinstance(node.ctx, ast.Load)
                    and not _is_wasted(module, node)
                    for node in module.scopes.of(ast.Name)
                )
            case ast.stmt():
                return True
    return False


def _is_wasted(module: Module, node: ast.AST) -> bool:
    """Whether it is only shown, or made a dependency of nothing."""
    parent = module.scopes.parents.get(node)
    if not isinstance(parent, ast.Call):
        return False
    if last_word(parent.func) == "control_dependencies":
        item = module.scopes.parents.get(parent)
        around = module.scopes.parents.get(item) if item is not None else None
        return isinstance(around, ast.With) and _makes_no_op(around)
    return last_word(parent.func) == "print"


def _makes_no_op(dependent: ast.With) -> bool:
    """Whether a block only names things, or makes an optimizer that it does not use.

    `tf.control_dependencies` applies to the ops that are made inside it, as by the code
    that a context manager yields to.
    """
    made = [
        node
        for statement in dependent.body
        for node in ast.walk(statement)
        if isinstance(node, _MAKING)
    ]
    return all(
        isinstance(node, ast.Call) and last_word(node.func).endswith("Optimizer")
        for node in made
    )


def is_outside_graph(module: Module, fetched: ast.Call) -> bool:
    """Whether a graph is made around it, and it fetches from the default.

    An interactive session makes its graph the default.
    """
    function = module.scopes.enclosing_function(fetched)
    if module.mentions("__enter__", "InteractiveSession"):
        return False
    entered = any(
        _ENTERS.search(ast.unparse(item))
        for outer in module.scopes.ancestors(fetched)
        if isinstance(outer, ast.With)
        for item in outer.items
    )
    return not entered and any(
        Known("tensorflow.Graph") in values(module, call.func)
        for call in module.calls_by_name.get("Graph", ())
        if module.scopes.enclosing_function(call) is function
    )
