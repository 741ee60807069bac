"""Networks that the function of an Estimator runs in training mode in every mode."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.nodes import last_word
from ..reading.signs import Sign
from ..reading.values import Known, Routine, parameters, unpacks
from ..resolving.classes import calls_in
from ..resolving.resolve import values
from ..resolving.saying import FLAG, FLAG_OF_FUNCTIONS, says
from .routine_flags import flag_given

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

_SPECS = ("EstimatorSpec", "TPUEstimatorSpec")
_MODE = "mode"
_EVALUATES = Sign(
    "train_and_evaluate | EvalSpec | stimator",
    r"\b(train_and_evaluate|EvalSpec)\(|stimator\w*\.(evaluate|predict)\(",
)


@dataclass(frozen=True)
class InEveryMode:
    """A call that says training, in a function that also evaluates and predicts.

    Attributes:
        node: the flag, or the call that leaves it at True.
        called: what is called, as written.
        surely: whether the Estimator is evaluated in sight.
    """

    node: ast.AST
    called: str
    surely: bool


def in_every_mode(module: Module) -> Iterator[InEveryMode]:
    """Yield each call of dropout, or of what holds BN or dropout, that says so."""
    specs = [spec for word in _SPECS for spec in module.calls_by_name.get(word, ())]
    functions = [module.scopes.enclosing_function(spec) for spec in specs]
    evaluated = module.matches(_EVALUATES)
    for function in dict.fromkeys(functions):
        if (
            function is None
            or _MODE not in parameters(function)
            or _refuses_modes(function)
        ):
            continue
        found = [
            (call, flag)
            for call in calls_in(module, function)
            if (flag := _flag_of(module, call)) is not None
        ]
        other = {last_word(call.func) for call, flag in found if not _is_on(flag)}
        for call, flag in found:
            if (
                _is_on(flag)
                and last_word(call.func) not in other
                and not _depends_on_mode(module, call, function)
            ):
                inside = flag in ast.walk(call)
                node = flag if inside else call
                yield InEveryMode(node, ast.unparse(call.func), evaluated)


def _refuses_modes(function: Function) -> bool:
    """Whether it raises an error in a mode that it asks for."""
    return any(
        isinstance(node, ast.If)
        and _MODE in ast.unparse(node.test)
        and any(isinstance(inner, ast.Raise) for inner in node.body)
        for node in ast.walk(function)
    )


def _depends_on_mode(module: Module, call: ast.Call, function: Function) -> bool:
    """Whether it is run in some modes alone: in a branch, or after others return."""
    for earlier in ast.walk(function):
        if (
            isinstance(earlier, ast.If)
            and earlier.lineno < call.lineno
            and hints.speaks_of_phase(ast.unparse(earlier.test))
            and any(isinstance(inner, ast.Return) for inner in ast.walk(earlier))
        ):
            return True
    for outer in module.scopes.ancestors(call):
        if outer is function:
            return False
        if isinstance(outer, ast.If | ast.IfExp) and hints.speaks_of_phase(
            ast.unparse(outer.test)
        ):
            return True
        if isinstance(outer, ast.Lambda | ast.FunctionDef):
            return True
    return True


def _is_on(flag: ast.expr) -> bool:
    return isinstance(flag, ast.Constant) and bool(flag.value)


def _flag_of(module: Module, call: ast.Call) -> ast.expr | None:
    """The constant that a call of layers passes as the phase, or leaves at."""
    if unpacks(call):
        return None
    for value in values(module, call.func):
        if isinstance(value, Known) and value.name in names.DROPOUT_FUNCTIONS:
            given = [
                word.value
                for word in call.keywords
                if word.arg in (FLAG, FLAG_OF_FUNCTIONS)
            ]
            return _constant(given[0]) if given else None
        if isinstance(value, Routine):
            return _constant(flag_given(value, call))
    said = says(module, call)
    if said.flag is not None and kinds_held(module, call.func) & {
        names.BATCH_NORM,
        names.DROPOUT,
    }:
        node = said.node.value if isinstance(said.node, ast.keyword) else said.node
        return _constant(node)
    return None


def _constant(given: ast.AST | None) -> ast.expr | None:
    match given:
        case ast.Constant(value=0 | 1):
            return given
    return None
