"""Layers of TensorFlow 1 and of Keras in an Estimator that nothing puts in training."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..reading.signs import Sign
from ..reading.values import Known, Result, unpacks
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG
from .layer_updates import runs_layers
from .training_ops import training_ops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_FUNCTION = Known("tensorflow.layers.dropout")
_LAYER = Known("tensorflow.layers.Dropout")
# Where they may come from; other modules need no search for them.
_LAYERS = Sign(
    "tf.layers | v1.layers | tensorflow.layers | tensorflow import layers"
    " | tensorflow.python.layers",
    r"\b(tf|v1|tensorflow(\.python)?)\.layers\b|tensorflow[ ]import[ ]layers",
)
_PLACE = 4  # of `training` in tf.layers.dropout
_TRAINS = re.compile(r"\b(minimize|apply_gradients|create_train_op|optimize_loss)\(")


def dropouts_without_flag(module: Module) -> Iterator[ast.Call]:
    """Yield each dropout of `tf.layers` that is called without `training`."""
    if not module.matches(_LAYERS) or not module.mentions("dropout", "Dropout"):
        return
    for call in module.calls:
        if keyword(call, FLAG) is not None or unpacks(call):
            continue
        for value in values(module, call.func):
            by_function = value == _FUNCTION and len(call.args) <= _PLACE
            by_layer = (
                isinstance(value, Result)
                and value.maker == _LAYER
                and len(call.args) == 1
            )
            if (by_function and not _is_off(call, 1)) or (
                by_layer and isinstance(value, Result) and not _is_off(value.call, 0)
            ):
                yield call
                break


def unflagged_in_sessions(module: Module) -> Iterator[ast.Call]:
    """Keras' dropout called without `training` in a graph that a session trains.

    Nothing sets its phase there, unless the file feeds the learning phase.
    """
    if (
        not module.mentions("Dropout(")
        or not module.mentions("Session(")
        or module.mentions("learning_phase", "EstimatorSpec")
        or runs_layers(module)
        or not any(True for _ in training_ops(module))
    ):
        return
    for call in module.calls:
        if keyword(call, FLAG) is None and len(call.args) == 1 and not unpacks(call):
            for value in values(module, call.func):
                match value:
                    case Result(maker=Known(name)) if name.startswith("keras.layers."):
                        if names.DROPOUT in names.kinds_named(name):
                            yield call


def _is_off(call: ast.Call, place: int) -> bool:
    """Whether its rate is written out as 0."""
    rate = keyword(call, "rate")
    if rate is None and len(call.args) > place:
        rate = call.args[place]
    return isinstance(rate, ast.Constant) and not rate.value


def unflagged_in_estimators(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Keras' BN and dropout called without `training` in the function of an Estimator.

    Each comes with its kind. Keras sets no phase in a graph that is built by hand.
    """
    specs = module.calls_by_name.get("EstimatorSpec", ())
    if not specs or not module.matches(_TRAINS) or module.mentions("learning_phase"):
        return
    functions = {module.scopes.enclosing_function(spec) for spec in specs} - {None}
    for call in module.calls:
        if (
            module.scopes.enclosing_function(call) in functions
            and keyword(call, FLAG) is None
            and len(call.args) == 1
            and not unpacks(call)
        ):
            for value in values(module, call.func):
                match value:
                    case Result(maker=Known(name)) if name.startswith("keras.layers."):
                        kinds = names.kinds_named(name)
                        for kind in kinds & {names.BATCH_NORM, names.DROPOUT}:
                            yield call, kind
