"""Layers of Keras in a graph of TensorFlow 1, and whether it runs their updates."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.nodes import last_word
from ..reading.values import Class, Known, Result, Routine
from ..resolving.classes import keras_kind
from ..resolving.members import members, returns_of
from ..resolving.resolve import values
from ..resolving.saying import FLAG
from ..statistics.batch_norms import batch_norm_name
from .fetched_updates import names_updates
from .graph_mode import argument_values, imports, reached_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# Calls where Keras trains, operations run at once, or functions are traced.
_RUNS_LAYERS = re.compile(r"\benable_eager|model_to_estimator|tf\.function")
_FITS = re.compile(r"fit\w*$|train_on_batch$")
_TF_LAYER = re.compile(r"\b(tf|v1|tensorflow)\.layers\.BatchNormalization\b")
# Calls that put the whole graph in training mode.
_TRAINS_LAYERS = re.compile(
    r"learning_phase\(\)\s*:(?!\s*(0|False))|set_learning_phase\((1|True)\)"
)


def runs_layers(module: Module) -> bool:
    """Whether Keras trains in a module, or operations run at once there.

    A tape in a branch for eager execution leaves the other branch as it is.
    """
    return (
        module.is_test
        or module.matches(_RUNS_LAYERS)
        or any(_fits(module, call) for call in module.calls)
        or any(
            not any(
                isinstance(outer, ast.If)
                and "executing_eagerly" in ast.unparse(outer.test)
                for outer in module.scopes.ancestors(tape)
            )
            for tape in module.calls_by_name.get("GradientTape", ())
        )
    )


def _fits(module: Module, call: ast.Call) -> bool:
    """Whether Keras trains by it: `model.fit(...)`, and no method of the project."""
    if not (isinstance(call.func, ast.Attribute) and _FITS.match(call.func.attr)):
        return False
    return not any(isinstance(one, Routine) for one in values(module, call.func))


def leaves_updates_in_layers(module: Module) -> bool:
    """Whether Keras layers hold updates that the module and what it calls never run.

    In a graph of TensorFlow 1 they are in `layer.updates`, and in no collection.
    """
    calls = [] if runs_layers(module) else list(reached_calls(module))
    around = {module, *(inside for inside, _ in calls)}
    # BN of `tf.layers` collects its updates, also in a network of Keras.
    collects = any(other.matches(_TF_LAYER) for other in around)
    held = any(
        _phases(*call) is not None and (_is_layer(*call) or not collects)
        for call in calls
    )
    held = held or (bool(calls) and _takes_output(module))
    return held and not any(map(names_updates, around))


def handed_to_tensorpack(module: Module) -> Iterator[ast.Call]:
    """Yield the optimizers with which tensorpack trains Keras layers that hold BN.

    It runs the collection of updates, but Keras' are in none.
    """
    for node in module.classes if module.mentions("ModelDesc") else ():
        owns = members(module, node).methods
        bases = (last_word(base) for base in node.bases)
        if "optimizer" in owns and any("ModelDesc" in base for base in bases):
            for made in returns_of(module, owns["optimizer"]):
                if isinstance(made, ast.Call) and leaves_updates_in_layers(module):
                    yield made


def trains_layers(module: Module) -> bool:
    """Whether they are surely put in training mode somewhere."""
    calls = list(reached_calls(module))
    around = {module, *(call for call, _ in calls)}
    around |= {
        other
        for other in module.project.naming("learning_phase")
        if imports(other, module)
    }
    says_so = any(other.matches(_TRAINS_LAYERS) for other in around)
    return says_so or any(_phases(*call) not in (None, [], [True]) for call in calls)


def _phases(module: Module, call: ast.Call) -> list[object | None] | None:
    """Return what Keras' BN is given as `training`, unless it is one phase only.

    A whole network that is only trained here may well be saved, and used elsewhere.
    """
    given = argument_values(module, call, FLAG, packed=False)
    if given != [False] and any(
        isinstance(value, Result)
        and (
            _is_network(module, call, value)
            or (
                given != [True]
                and str(batch_norm_name(value.maker)).startswith("keras.layers.")
            )
        )
        for value in values(module, call.func)
    ):
        return given
    return None


def _is_layer(module: Module, call: ast.Call) -> bool:
    """Whether BN of Keras itself is called."""
    return any(
        isinstance(value, Result)
        and str(batch_norm_name(value.maker)).startswith("keras.layers.")
        for value in values(module, call.func)
    )


def _takes_output(module: Module) -> bool:
    """Whether the graph goes on from the output of a network of Keras that holds BN."""
    return any(
        node.attr in ("output", "outputs")
        and any(
            isinstance(value, Result)
            and isinstance(value.maker, Known)
            and value.maker.name.startswith("keras.")
            for value in values(module, node.value)
        )
        and names.BATCH_NORM in kinds_held(module, node.value)
        for node in module.scopes.of(ast.Attribute)
    )


def _is_network(module: Module, call: ast.Call, value: Result) -> bool:
    """Whether a whole network of Keras that holds BN is called."""
    match value:
        case Result(maker=Known(name)):
            of_keras = name.startswith("keras.")
        case Result(maker=Class() as cls):
            of_keras = keras_kind(cls) is not None
    return (
        of_keras
        and not batch_norm_name(value.maker)
        and names.BATCH_NORM in kinds_held(module, call.func)
    )
