"""Facts about a class: whether it is a Keras model, and what its `call` does."""

from __future__ import annotations

import ast
from bisect import bisect_left
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Literal

from ... import names
from ..reading.limits import METHODS
from ..reading.memo import remembered, remembered_of_class
from ..reading.nodes import last_word
from ..reading.values import Class, Known, Routine, parameters
from .lineage import lineage, method_of, project_lineage
from .mapped import mapped_call
from .members import attribute_of_self, self_name
from .resolve import values
from .saying import FLAG, How, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

_LAYER_BASES = {"keras.layers.Layer", "keras.layers.Wrapper"}


def keras_kind(cls: Class) -> Literal["model", "sequential", "layer"] | None:
    """Return what the class is to Keras, as far as its known bases show."""
    for base in lineage(cls):
        if isinstance(base, Known):
            if base.name == "keras.Model":
                return "model"
            if base.name == "keras.Sequential":
                return "sequential"
            if base.name in _LAYER_BASES or base.name.startswith("keras.layers."):
                return "layer"
    return None


def instance_of(module: Module, node: ast.ClassDef) -> Class:
    """The class of what its methods run on: that which mixes it in, if it is a mixin.

    That is the first Keras class of the module that extends it.
    """
    own = Class(module, node)
    if keras_kind(own) is not None:
        return own
    mixing = (Class(module, other) for other in module.classes if other.bases)
    return next(
        (cls for cls in mixing if own in lineage(cls) and keras_kind(cls) is not None),
        own,
    )


def extends_flagged(cls: Class) -> bool:
    """Whether it extends one of Keras' own layers that depend on the phase."""
    return any(
        isinstance(base, Known) and bool(names.kinds_named(base.name))
        for base in lineage(cls)
    )


def takes_training(function: Function) -> bool:
    """Whether a `call` has the parameter that Keras looks for."""
    return FLAG in parameters(function)


@remembered
def calls_in(
    module: Module, function: Function | ast.For | ast.While
) -> tuple[ast.Call, ...]:
    """The calls in the body of a function or loop, those of functions inside too."""
    last = function.end_lineno or function.lineno
    first = bisect_left(module.calls, function.lineno, key=_line)
    near = takewhile(
        lambda call: call.lineno <= last, islice(module.calls, first, None)
    )
    return tuple(call for call in near if function in module.scopes.ancestors(call))


def _line(call: ast.Call) -> int:
    return call.lineno


@remembered_of_class
def reached(cls: Class, name: str) -> list[Routine]:
    """The method of that name, and the methods it calls on `self`, and so on."""
    found: list[Routine] = []
    pending = [method_of(cls, name)]
    while pending and len(found) < METHODS:
        routine = pending.pop()
        if routine is not None and routine not in found:
            found.append(routine)
            pending += _own_methods(cls, routine)
    return found


def _own_methods(cls: Class, routine: Routine) -> Iterator[Routine | None]:
    """The methods that a method calls on `self` or `super()`, also by another name."""
    me = self_name(routine.node)
    for call in calls_in(routine.module, routine.node):
        name = attribute_of_self(call.func, me)
        if name is not None:
            yield method_of(cls, name)
        elif isinstance(call.func, ast.Name):
            yield from _renamed(cls, routine.module, call.func)
        match call.func:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
                for value in values(routine.module, call.func):
                    if isinstance(value, Routine):
                        yield Routine(value.module, value.node, cls)


def _renamed(cls: Class, module: Module, name: ast.Name) -> Iterator[Routine | None]:
    """The methods that a name stands for: `step = self.one if x else self.two`."""
    for value in values(module, name):
        if isinstance(value, Routine) and value.owner in project_lineage(cls):
            yield method_of(cls, getattr(value.node, "name", ""))


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next(
        (argument.value for argument in call.keywords if argument.arg == name), None
    )


def unpacks_keywords(call: ast.Call) -> bool:
    """Whether the call passes `**something`, which may hold any keyword."""
    return any(argument.arg is None for argument in call.keywords)


def is_functional(cls: Class) -> bool:
    """Whether instances are built as a graph: `super().__init__(inputs, outputs)`."""
    return any(True for _ in graph_of(cls))


def graph_of(cls: Class) -> Iterator[tuple[Module, ast.expr]]:
    """Yield what a class gives `super().__init__`: its outputs or list of layers."""
    for name in ("__init__", "__new__"):
        routine = method_of(cls, name)
        if routine is None:
            continue
        for call in calls_in(routine.module, routine.node):
            if last_word(call.func) != "__init__":
                continue
            given = [*call.args, *graph_keywords(call)]
            # Model.__init__(self, ...) names the instance; super().__init__ does not.
            given = [
                argument for argument in given if not _is_name(argument, routine.node)
            ]
            for expression in given:
                yield routine.module, expression


def graph_keywords(call: ast.Call) -> list[ast.expr]:
    """What a call passes by the names of the parts of a graph."""
    wanted = ("inputs", "outputs", "layers")
    return [argument.value for argument in call.keywords if argument.arg in wanted]


def _is_name(expression: ast.expr, function: Function) -> bool:
    me = self_name(function)
    return isinstance(expression, ast.Name) and expression.id == me


def passes_flag_itself(call: ast.Call, routine: Routine) -> bool:
    """Whether a call in a `call` settles `training`, whatever Keras would pass.

    `training=training` passes on the caller's flag, and the `call`'s own `**kwargs`
    passes on that there is none; a constant or anything else settles it, and so does
    giving the parameter another value first.
    """
    said = says(routine.module, call)
    if said.how is How.PASSED_ON and said.function is routine.node:
        return not said.packed and said.parameter != FLAG
    return not said.is_nothing


@remembered_of_class
def layer_calls(cls: Class) -> list[tuple[Routine, ast.Call]]:
    """The calls, in `call` and what it uses, that leave `training` to Keras.

    A layer without `call` may have a `__call__` of its own, which Keras knows nothing
    of: what is called there has the phase of the network around it.
    """
    has_call = method_of(cls, "call") is not None or keras_kind(cls) is None
    return [
        (routine, run)
        for routine in reached(cls, "call" if has_call else "__call__")
        for call in calls_in(routine.module, routine.node)
        for run in (call, mapped_call(routine.module, call))
        if run is not None and not passes_flag_itself(run, routine)
    ]


def is_callback(cls: Class) -> bool:
    """Whether a class of the project is a callback of Keras."""
    return any(base == Known("keras.callbacks.Callback") for base in lineage(cls))
