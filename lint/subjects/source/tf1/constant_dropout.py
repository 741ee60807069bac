"""Dropout of TensorFlow 1 at a constant rate, which nothing ever turns off."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..networks.rates import drops_in_every_phase, is_constant_rate
from ..reading import hints
from ..reading.nodes import Function, last_word
from ..reading.signs import Sign
from ..reading.values import Class, Known, default_of, parameters
from ..resolving.classes import calls_in, keras_kind, keyword
from ..resolving.local_calls import calls_of
from ..resolving.resolve import values
from .arg_scopes import modules_around
from .session_runs import HELD_OUT, fetched, has_training_op
from .training_ops import training_ops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_WORDS = Sign("dropout( | DropoutWrapper(", r"\bdropout\(|DropoutWrapper\(")
_WRAPPER = re.compile(r"(tensorflow|contrib)\b.*\.DropoutWrapper$")
_KEPT = ("input_keep_prob", "output_keep_prob", "state_keep_prob")
_BY_FLAG = {"contrib.layers.dropout", "slim.dropout"}  # True by default
_FLAG_PLACE = 3
_FLAG = re.compile(
    r"(is|in)_?train(ing)?|training|train_?(phase|mode|flag)|phase(_train)?|train",
    re.IGNORECASE,
)
_GRAPHS = ("Graph", "reset_default_graph", "reset_graph")
_JUDGED = {*("accuracy", "acc", "correct", "auc", "f1"), "prediction", "predictions"}
_JUDGED |= {"predict", "pred", "preds", "predicted"}


@dataclass(frozen=True)
class ConstantDropout:
    """A dropout that drops in every phase.

    Attributes:
        node: the call.
        called: what is called, as written.
        phase: the flag that its function knows; None if a session runs the graph both
            to train and to judge.
        rate: the argument for what is kept or dropped, by its name.
        surely: whether what is judged is seen outside of training.
        takes_flag: whether it has a flag of its own, which is left out.
    """

    node: ast.Call
    called: str
    phase: str | None
    rate: str
    surely: bool = True
    takes_flag: bool = False

    @property
    def is_wrapper(self) -> bool:
        """Whether it wraps a recurrent cell."""
        return self.rate in _KEPT


def constant_dropouts(module: Module) -> Iterator[ConstantDropout]:
    """Yield each dropout at a constant rate in a function that knows the phase.

    Also each in a graph that a script, or a class, both trains and evaluates.
    """
    if not module.matches(_WORDS) or module.is_test:
        return
    for call in module.calls:
        word = last_word(call.func)
        if word not in ("dropout", "DropoutWrapper"):
            continue
        given = _constant_rate(module, call)
        if given is None or _is_meant(module, call):
            continue
        function = module.scopes.enclosing_function(call)
        called = ast.unparse(call.func)
        phase = _phase_known(module, function)
        if phase is not None:
            yield ConstantDropout(call, called, phase, given[0], takes_flag=given[1])
        elif (judged := _is_judged(module, function)) is not None:
            yield ConstantDropout(call, called, None, given[0], judged)


def _constant_rate(module: Module, call: ast.Call) -> tuple[str, bool] | None:
    """The argument that is a number at which something is dropped.

    It comes with whether the phase could be said beside it.
    """
    for value in values(module, call.func):
        if not isinstance(value, Known):
            continue
        given: list[tuple[str, ast.expr | None]] = []
        if value.name == "tensorflow.nn.dropout":
            second = call.args[1] if len(call.args) > 1 else None
            given = [("rate", keyword(call, "rate"))]
            given.append(("keep_prob", keyword(call, "keep_prob") or second))
        elif _WRAPPER.search(value.name):
            places = dict(zip(_KEPT, call.args[1:], strict=False))
            given = [(name, keyword(call, name) or places.get(name)) for name in _KEPT]
        elif value.name in _BY_FLAG and _is_on_by_default(module, call):
            second = call.args[1] if len(call.args) > 1 else None
            given = [("keep_prob", keyword(call, "keep_prob") or second)]
        for name, rate in given:
            if rate is not None and is_constant_rate(module, rate):
                return name, value.name in _BY_FLAG
    return None


def _is_on_by_default(module: Module, call: ast.Call) -> bool:
    """Whether nothing gives it the flag, which a scope may do."""
    return (
        keyword(call, "is_training") is None
        and len(call.args) <= _FLAG_PLACE
        and not any(other.mentions("arg_scope") for other in modules_around(module))
    )


def _is_meant(module: Module, call: ast.Call) -> bool:
    """Whether something asks for the phase, or what is around it may be meant so."""
    owner = module.scopes.enclosing_class(call)
    return (
        not drops_in_every_phase(module, call)
        or (owner is not None and keras_kind(Class(module, owner)) is not None)
        or any(map(hints.may_add_noise, module.scopes.names_around(call)))
    )


def _phase_known(module: Module, function: Function | None) -> str | None:
    """The phase that a function gets, or that it asks its instance for."""
    if function is None:
        return None
    for name in parameters(function):
        if name == "mode" and any(
            last_word(call.func).endswith("EstimatorSpec")
            for call in calls_in(module, function)
        ):
            return "mode == tf.estimator.ModeKeys.TRAIN"
        default = default_of(function, name)
        is_flag = isinstance(getattr(default, "value", None), bool)
        if _FLAG.fullmatch(name) and (name != "train" or is_flag):
            return name
    return next(
        (
            ast.unparse(node)
            for node in ast.walk(function)
            if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Load)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
            and node.attr != "train"
            and _FLAG.fullmatch(node.attr.strip("_"))
            and not isinstance(module.scopes.parents.get(node), ast.Attribute)
        ),
        None,
    )


def _is_judged(module: Module, function: Function | None) -> bool | None:
    """Whether the graph is run to judge it, surely outside of training.

    None if it is not, or not trained either, or if the function may build it twice.
    """
    graphs = sum(len(module.calls_by_name.get(word, ())) for word in _GRAPHS)
    if graphs > 1 or not any(True for _ in training_ops(module)):
        return None
    if function is not None and _is_run_twice(module, function):
        return None
    judging = [call for call in _runs(module) if _judges(module, call)]
    if not judging or not any(_trains(module, call) for call in _runs(module)):
        return None
    return any(_is_after_training(module, call) for call in judging)


def _is_run_twice(module: Module, function: Function) -> bool:
    """Whether it is not known to be run just once; then each may have its own rate."""
    owner = module.owner_of(function)
    if owner is not None:
        made = module.calls_by_name.get(owner.name, ())
        return len(made) != 1 or len(calls_of(module, function)) > 1
    calls = calls_of(module, function)
    return len(calls) != 1 or any(
        isinstance(outer, ast.For | ast.While | ast.ListComp)
        for outer in module.scopes.ancestors(calls[0][0])
    )


def _runs(module: Module) -> Iterator[ast.Call]:
    for word in ("run", "eval"):
        yield from module.calls_by_name.get(word, ())


def _trains(module: Module, run: ast.Call) -> bool:
    ran = fetched(run)
    return ran is not None and has_training_op(module, ran)


def _judges(module: Module, run: ast.Call) -> bool:
    """Whether a session runs an accuracy or a prediction, and no training op."""
    ran = fetched(run)
    fed = keyword(run, "feed_dict") or (run.args[1] if len(run.args) > 1 else None)
    if run.args and last_word(run.func) == "eval":
        fed = fed or run.args[0]
    if ran is None or fed is None or has_training_op(module, ran):
        return False
    return not _JUDGED.isdisjoint(hints.words_of(ast.unparse(ran)))


def _is_after_training(module: Module, run: ast.Call) -> bool:
    """Whether held-out data are fed, or no loop around it trains."""
    if not HELD_OUT.isdisjoint(hints.words_of(ast.unparse(run))):
        return True
    loops = [
        outer
        for outer in module.scopes.ancestors(run)
        if isinstance(outer, ast.For | ast.While)
    ]
    return not any(
        _trains(module, call)
        for call in _runs(module)
        if any(outer in loops for outer in module.scopes.ancestors(call))
    )
