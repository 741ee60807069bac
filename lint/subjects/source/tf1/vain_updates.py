"""Updates of BN in TensorFlow 1 that are fetched, and never run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.values import Known
from ..resolving.classes import keyword
from ..resolving.resolve import values
from .fetched_updates import fetched_updates, is_outside_graph
from .graph_mode import (
    builds_both_phases,
    functions_of_both_phases,
    reached_calls,
    updates_are_run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Names that layers get by themselves.
_DEFAULT = re.compile(r"batch|conv|dense|fully|sequential|model", re.IGNORECASE)
_DEPEND = "build the training op under tf.control_dependencies of these"


def fetched_in_vain(module: Module) -> Iterator[tuple[ast.Call, str, str]]:
    """Yield places where updates are fetched and never run, why, and what to do."""
    used = updates_are_run(module)
    for call in fetched_updates(module):
        if "UPDATE_OPS" not in ast.unparse(call):
            continue
        if is_outside_graph(module, call) and not _builds_in_default(module, call):
            why = "this asks the default graph, not the one that was made"
            yield call, why, _DEPEND
        elif not used:
            yield call, "nothing depends on them", _DEPEND
        elif _is_too_early(module, call):
            yield call, "the layers are only made after this", "fetch them after that"
        elif (scope := _foreign_scope(module, call)) is not None:
            why = f"no scope here is called {scope!r}, which finds none"
            yield call, why, "name the scope of the layers, or none"


def _builds_in_default(module: Module, fetched: ast.Call) -> bool:
    """Whether layers are made beside it, outside of any `with`, in a script."""
    return module.scopes.enclosing_function(fetched) is None and any(
        module.scopes.enclosing_function(call) is None
        and not any(
            isinstance(outer, ast.With) for outer in module.scopes.ancestors(call)
        )
        and builds_both_phases(module, call)
        for call in module.calls
    )


def _is_too_early(module: Module, fetched: ast.Call) -> bool:
    """Whether its function makes all BN in sight later, itself or in what it calls.

    What it is given may hold BN, and so may what a function of the project returns.
    What is fetched again later may be fetched here to be left out there.
    """
    function = module.scopes.enclosing_function(fetched)
    loops = ast.For | ast.While
    if any(
        isinstance(outer, loops) for outer in module.scopes.ancestors(fetched)
    ) or any(
        other.lineno > fetched.lineno
        and module.scopes.enclosing_function(other) is function
        for other in fetched_updates(module)
    ):
        return False
    ours = [
        call
        for call in module.calls
        if module.scopes.enclosing_function(call) is function
    ]
    making = [call for call in ours if builds_both_phases(module, call)]
    return (
        bool(making)
        and all(call.lineno > fetched.lineno for call in making)
        and not any(
            _may_build(module, call) for call in ours if call.lineno < fetched.lineno
        )
    )


def _may_build(module: Module, call: ast.Call) -> bool:
    """Whether a call may build layers: of the project, or of something passed in."""
    found = values(module, call.func)
    return not found or any(not isinstance(value, Known) for value in found)


def _foreign_scope(module: Module, fetched: ast.Call) -> str | None:
    """The scope that they are fetched of, if nothing in the module is called so.

    Names of ops begin with those of the scopes around them, or of the layers.
    """
    given = fetched.args[1] if len(fetched.args) > 1 else keyword(fetched, "scope")
    if not (isinstance(given, ast.Constant) and isinstance(given.value, str)):
        return None
    top = given.value.partition("/")[0]
    written = [
        node.value
        for node in module.scopes.of(ast.Constant)
        if isinstance(node.value, str) and node is not given
    ]
    if not top or _DEFAULT.match(top) or any(text.startswith(top) for text in written):
        return None
    building = {
        inside
        for inside, call in reached_calls(module)
        if any(functions_of_both_phases(inside, call))
    }
    computed = any(
        not isinstance(name, ast.Constant)
        for word in ("variable_scope", "name_scope")
        for call in module.calls_by_name.get(word, ())
        for name in call.args[:1]
    )
    return None if computed or building != {module} else given.value
