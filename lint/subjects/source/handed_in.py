"""Networks that a training step gets from elsewhere, and calls without a flag."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from . import hints
from .classes import calls_in
from .resolve import values
from .saying import local_value, says, says_otherwise
from .values import Known, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .module import Module

_VARIABLES = (".trainable_variables", ".trainable_weights")
_APPLYING = ("apply_gradients", "minimize")


def handed_in_networks(module: Module) -> Iterator[ast.Call]:
    """The first such call in the module under a tape that trains the network.

    One is enough: it is unknown whether a network that is passed in depends on the
    phase.
    """
    if (
        not module.mentions("GradientTape")
        or "set_learning_phase" in module.calls_by_name
        or not any(word in module.calls_by_name for word in _APPLYING)
    ):
        return
    for made in module.calls_by_name.get("GradientTape", ()):
        tape = module.scopes.parents.get(module.scopes.parents.get(made))  # type: ignore[arg-type]
        function = module.scopes.enclosing_function(made)
        if (
            not isinstance(tape, ast.With)
            or function is None
            or Known("tensorflow.GradientTape") not in values(module, made.func)
            or any(map(hints.is_test, module.scopes.names_around(made)))
        ):
            continue
        calls = list(calls_in(module, function))
        trained = {
            text
            for call in calls
            if isinstance(call.func, ast.Attribute) and call.func.attr == "gradient"
            for given in call.args[1:2]
            for text in [ast.unparse(local_value(module, given))]
        }
        for call in calls:
            if (
                isinstance(call.func, ast.Name | ast.Attribute)
                and call.args
                and tape in module.scopes.ancestors(call)
                and any(
                    f"{ast.unparse(call.func)}{end}" in trained for end in _VARIABLES
                )
                and says(module, call).is_nothing
                and not says_otherwise(call)
                and _is_unknown(module, call.func)
            ):
                yield call
                return


def _is_unknown(module: Module, network: ast.expr) -> bool:
    found = values(module, network)
    return bool(found) and all(isinstance(each, Parameter) for each in found)
