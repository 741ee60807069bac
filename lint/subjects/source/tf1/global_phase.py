"""The learning phase that Keras 2 keeps for all layers of a graph of TensorFlow 1."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.nodes import last_word
from ..reading.values import Class, Items, Known, Literal, Result, Self, parameters
from ..resolving.classes import calls_in, is_callback
from ..resolving.resolve import values
from ..resolving.saying import says
from ..resolving.symbolic import builds_graph
from .backend_functions import updates_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

_SETTER = Known("keras.backend.set_learning_phase")
_SESSION = Known("keras.backend.get_session")
_FUNCTION = Known("keras.backend.function")
_FITTING = ("fit", "fit_generator", "train_on_batch")
_INFERRING = (
    *("predict", "predict_on_batch", "predict_generator", "predict_classes"),
    *("predict_proba", "evaluate", "evaluate_generator", "test_on_batch"),
)
_EXPORTING = (
    *("convert_variables_to_constants", "freeze_graph", "write_graph", "simple_save"),
    *("add_meta_graph_and_variables", "extract_sub_graph", "freeze_session"),
)
_LOADING = ("load_model", "model_from_json", "model_from_yaml", "load_weights")
_MAKING = ("Sequential", "Model", "compile", *_LOADING)
_BUILT = ("compile", *_FITTING, *_LOADING)
# Where operations run at once; there `fit` and the like set the phase themselves.
_EAGER = re.compile(r"GradientTape|tf\.function|enable_eager|keras\.ops\b")


class Phase(Enum):
    """What is wrong with the learning phase at one place."""

    TRAINS_IN_INFERENCE = auto()  # it is 0 while a model is fitted
    INFERS_IN_TRAINING = auto()  # it is 1 while a model predicts
    EXPORTS_TRAINING = auto()  # it is 1 where a graph is exported
    TOO_LATE = auto()  # it is set to 0 after the model was made
    NO_EFFECT = auto()  # it is set to 1 after the model was made
    CALLS_IN_TRAINING = auto()  # it is 1 while a fitted model is called
    CALLED_BACK = auto()  # a callback sets it, while a model is fitted
    NOT_SET = auto()  # a graph is exported, and nothing sets it
    CALLED_WITH_1 = auto()  # a function of the backend is given 1


@dataclass(frozen=True)
class GlobalPhase:
    """A place where the learning phase is wrong, and in which way."""

    node: ast.AST
    phase: Phase


def wrong_phases(module: Module) -> Iterator[GlobalPhase]:
    """Yield each such place, where layers in sight, or a loaded model, may obey it."""
    if module.is_test or module.matches(_EAGER) or not _may_matter(module):
        return
    setters = []
    for call, flag in _setters(module):
        if _is_in_callback(module, call):
            yield GlobalPhase(call, Phase.CALLED_BACK)
        else:
            setters.append((call, flag))
    for call, flag in setters:
        if all(other is flag for _, other in setters):
            found = _wrong(module, call, flag)
            if found is not None:
                yield GlobalPhase(call, found)
    if not setters and not module.mentions("learning_phase"):
        yield from _exported(module)
    for given in _called_in_training_mode(module):
        yield GlobalPhase(given, Phase.CALLED_WITH_1)


def _may_matter(module: Module) -> bool:
    """Whether BN or dropout is in sight, or a model that is loaded."""
    code = module.code
    return (
        names.mentions_batch_norm(code)
        or names.mentions_dropout(code)
        or any(word in module.calls_by_name for word in _LOADING)
        or module.mentions("learning_phase()")
    )


def _setters(module: Module) -> Iterator[tuple[ast.Call, bool | None]]:
    """The calls that set the phase, and to what; None if that is not a constant."""
    for call in module.calls_by_name.get("set_learning_phase", ()):
        if _SETTER in values(module, call.func):
            match call.args:
                case [ast.Constant(value=0 | 1 as flag)]:
                    yield call, bool(flag)
                case _:
                    yield call, None


def _is_in_callback(module: Module, setter: ast.Call) -> bool:
    """Whether it stands in what a callback runs before or while something is fitted."""
    owner = module.scopes.enclosing_class(setter)
    around = module.scopes.names_around(setter)
    during = any(name.startswith("on_") and name != "on_train_end" for name in around)
    return owner is not None and during and is_callback(Class(module, owner))


def _wrong(module: Module, setter: ast.Call, flag: bool | None) -> Phase | None:
    after = [call for call in module.calls if _runs_after(module, setter, call)]
    exports = _any_of(after, _EXPORTING) and any(True for _ in _sessions(module))
    late = _any_of(_before(module, setter), _BUILT) or _takes_model(module, setter)
    match flag:
        case True if exports and not late:
            return Phase.EXPORTS_TRAINING
        case True if _any_of(after, _INFERRING):
            return Phase.NO_EFFECT if late else Phase.INFERS_IN_TRAINING
        case True if _any_of(_before(module, setter), _FITTING) and any(
            _is_plain(module, call) for call in after
        ):
            return Phase.CALLS_IN_TRAINING
        case False if exports:
            return Phase.TOO_LATE if late else None
        case False if _any_of(after, _FITTING):
            return Phase.TRAINS_IN_INFERENCE
    return None


def _is_plain(module: Module, call: ast.Call) -> bool:
    """Whether a network with BN is called on data, with no phase of its own."""
    return (
        bool(call.args)
        and isinstance(call.func, ast.Name | ast.Attribute)
        and says(module, call).is_nothing
        and names.BATCH_NORM in kinds_held(module, call.func)
        and any(isinstance(one, Result | Self) for one in values(module, call.func))
        and not builds_graph(module, call, is_layer=False)
    )


def _runs_after(module: Module, setter: ast.Call, call: ast.Call) -> bool:
    """Whether a call comes after it in its function, or after the module's.

    Functions run when they are called, wherever they stand. The other methods of a
    class run after the one that makes its model.
    """
    function = module.scopes.enclosing_function(setter)
    around = module.scopes.enclosing_function(call)
    if around is function:
        return call.lineno > setter.lineno
    if function is None or around is None:
        return around is not None
    owner = module.owner_of(function)
    return (
        owner is not None
        and owner is module.owner_of(around)
        and _makes_model(module, function, setter)
    )


def _makes_model(module: Module, method: Function, setter: ast.Call) -> bool:
    """Whether the method builds what its class runs, once the phase is set."""
    return getattr(method, "name", "") == "__init__" or any(
        last_word(call.func) in _MAKING
        for call in calls_in(module, method)
        if call.lineno > setter.lineno
    )


def _before(module: Module, setter: ast.Call) -> Iterator[ast.Call]:
    """The calls of the same function that run before it."""
    function = module.scopes.enclosing_function(setter)
    for call in module.calls:
        around = module.scopes.enclosing_function(call)
        if around is function and call.lineno < setter.lineno:
            yield call


def _takes_model(module: Module, setter: ast.Call) -> bool:
    """Whether its function is given the model, by its name."""
    function = module.scopes.enclosing_function(setter)
    return function is not None and any(
        hints.words_of(name)[-1:] == ["model"] for name in parameters(function)
    )


def _any_of(calls: Iterable[ast.Call], words: tuple[str, ...]) -> bool:
    return any(last_word(call.func) in words for call in calls)


def _sessions(module: Module) -> Iterator[ast.Call]:
    """The calls that take the session of Keras."""
    for call in module.calls_by_name.get("get_session", ()):
        if _SESSION in values(module, call.func):
            yield call


def _exported(module: Module) -> Iterator[GlobalPhase]:
    """The first session of Keras whose graph is exported in no phase."""
    if any(word in module.calls_by_name for word in _EXPORTING):
        for session in _sessions(module):
            yield GlobalPhase(session, Phase.NOT_SET)
            return


def _called_in_training_mode(module: Module) -> Iterator[ast.AST]:
    """Yield the 1 of `f([x, 1])`, for an `f` of the backend that takes the phase."""
    if not module.mentions("learning_phase()"):
        return
    for call in module.calls:
        if len(call.args) != 1 or not isinstance(call.func, ast.Name | ast.Attribute):
            continue
        takes_phase = any(
            isinstance(value, Result)
            and value.maker == _FUNCTION
            and value.call.args
            and updates_of(value.call) is None
            and "learning_phase()" in ast.unparse(value.call.args[0])
            for value in values(module, call.func)
        )
        if takes_phase and not _is_repeated(module, call):
            yield from _last_if_one(module, call.args[0])


def _is_repeated(module: Module, call: ast.Call) -> bool:
    """Whether it samples: by its name, or the same input again and again."""
    around = [*module.scopes.names_around(call), module.path.stem]
    return any(map(hints.is_meant_random, around)) or any(
        "range" in ast.unparse(getattr(outer, "iter", outer))
        for outer in module.scopes.ancestors(call)
        if isinstance(outer, ast.For)
    )


def _last_if_one(module: Module, given: ast.expr) -> Iterator[ast.AST]:
    """The last item of a list, if it is 1."""
    if isinstance(given, ast.BinOp):
        given = given.right  # inputs + [1]
    for value in values(module, given):
        if isinstance(value, Items) and isinstance(value.node, ast.List):
            for last in value.node.elts[-1:]:
                for number in values(value.module, last):
                    if isinstance(number, Literal) and number.value in (1, True):
                        yield last
