"""What a session of TensorFlow 1 runs, and with what it is fed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.nodes import last_word
from ..resolving.classes import keyword

if TYPE_CHECKING:
    from ..reading.module import Module

_TRAINING = ("minimize", "apply_gradients", "create_train_op", "optimize_loss", "group")
# Words for data that are not trained on.
HELD_OUT = frozenset(
    {*("test", "testing", "val", "valid", "validation", "dev"), "eval", "evaluation"}
)


def fetched(run: ast.Call | None) -> ast.expr | None:
    """What a session runs, or what `loss.eval(...)` or `step.run(...)` names."""
    match run:
        case ast.Call(func=ast.Attribute(attr="run"), args=[fetched, *_]):
            return fetched
        case ast.Call(func=ast.Attribute(value=ran)):
            return keyword(run, "fetches") or ran
    return None


def run_with(module: Module, feed: ast.AST) -> ast.Call | None:
    """The `session.run` that a dict is fed to, at once or by its name."""
    for outer in module.scopes.ancestors(feed):
        match outer:
            case ast.Call(func=ast.Attribute(attr="run" | "eval")):
                return outer
            case ast.Assign(targets=[ast.Name(id=name)]):
                return _run_by_name(module, outer, name)
            case ast.stmt():
                return None
    return None


def _run_by_name(module: Module, assigned: ast.Assign, name: str) -> ast.Call | None:
    """The first `session.run` after it, of its function, that is fed by that name."""
    function = module.scopes.enclosing_function(assigned)
    for call in module.calls_by_name.get("run", ()):
        given = [*call.args[1:], keyword(call, "feed_dict")]
        if (
            call.lineno > assigned.lineno
            and module.scopes.enclosing_function(call) is function
            and any(isinstance(each, ast.Name) and each.id == name for each in given)
        ):
            return call
    return None


def has_training_op(module: Module, fetched: ast.expr) -> bool:
    """Whether something that is fetched was made by an optimizer."""
    wanted = {
        ast.unparse(node)
        for node in ast.walk(fetched)
        if isinstance(node, ast.Name | ast.Attribute)
    }
    return any(
        isinstance(node.value, ast.Call)
        and last_word(node.value.func) in _TRAINING
        and any(ast.unparse(target) in wanted for target in node.targets)
        for node in module.scopes.of(ast.Assign)
    )
