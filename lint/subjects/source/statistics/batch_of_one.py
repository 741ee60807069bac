"""Networks with BN that are trained with one sample at a time."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..networks.sequence import layers_before
from ..reading.nodes import last_word
from ..reading.values import Routine, dict_entries, parameters, unpacks
from ..resolving.classes import calls_in, keyword
from ..resolving.entries import put_in
from ..resolving.packed import settings_of
from ..resolving.resolve import values
from ..training.applying import TRAINING, trains
from ..training.trained import trained_networks
from .one_sample import (
    batch_of_one,
    is_option_of_one,
    is_single,
    passed_as_one,
    size_of_one,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_SIZE = "batch_size"
_PLACE = 2  # among the arguments of `fit`
_FITTING = ("fit", "fit_generator")
_FLAT = {
    *("Dense", "EinsumDense", "Flatten", "Embedding"),
    *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"),
}


@dataclass(frozen=True)
class BatchOfOne:
    """A place by which a network with BN is trained with one sample at a time.

    Attributes:
        place: what makes it one.
        is_flat: whether BN surely follows a layer that leaves one value per channel,
            so that the variance is 0.
    """

    place: ast.AST
    is_flat: bool


def batches_of_one(module: Module) -> Iterator[BatchOfOne]:
    """Yield each place by which a network with BN gets one sample at a time.

    None where Keras' learning phase is set: with 0, a fit infers.
    """
    if "set_learning_phase" in module.calls_by_name:
        return
    found: dict[ast.AST, None] = {}
    for word in (*_FITTING, "train_on_batch"):
        for call in module.calls_by_name.get(word, ()):
            place = _given(module, call)
            if place is not None and _holds_batch_norm(module, call):
                found.setdefault(place)
    for place in (*_fed(module), *_sized(module), *_loops(module)):
        found.setdefault(place)
    if found:
        is_flat = any(layer.kind in _FLAT for layer in layers_before(module))
        for place in found:
            yield BatchOfOne(place, is_flat and not _is_by_option(module, place))


def _is_by_option(module: Module, place: ast.AST) -> bool:
    """Whether it is one only if a command is not given another number."""
    return any(
        isinstance(node, ast.expr) and is_option_of_one(module, node)
        for node in ast.walk(place)
    )


def _holds_batch_norm(module: Module, call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and names.BATCH_NORM in kinds_held(
        module, call.func.value
    )


def _given(module: Module, call: ast.Call) -> ast.AST | None:
    """What makes the batches single samples: a size, an array, or a data set."""
    sized = _size(module, call)
    if sized is not None:
        where, size, shown = sized
        return shown if size_of_one(where, size) else None
    data = call.args[0] if call.args else keyword(call, "x")
    if data is not None and is_single(module, data):
        return call
    place = batch_of_one(module, data)
    if place is None or module.scopes.parents.get(place) is not None:
        return place
    return call  # it is made in another file


def _size(module: Module, call: ast.Call) -> tuple[Module, ast.expr, ast.expr] | None:
    """The batch size that `fit` is given, where that is written, and its argument.

    It may be the third by position, or in a dict that the call unpacks.
    """
    size = keyword(call, _SIZE)
    if size is not None:
        return module, size, size
    if last_word(call.func) == "fit" and len(call.args) > _PLACE and not unpacks(call):
        return module, call.args[_PLACE], call.args[_PLACE]
    for argument in call.keywords:
        if argument.arg is None:
            put: list[ast.expr] = []
            if isinstance(argument.value, ast.Name):
                put = list(put_in(module, argument.value, ast.Constant(_SIZE)))
            if len(put) == 1:
                return module, put[0], put[0]
            packed = settings_of(module, argument.value)
            entry = None if packed is None else dict_entries(packed).get(_SIZE)
            if packed is not None and entry is not None:
                return packed.module, entry, argument.value
    return None


def _fed(module: Module) -> Iterator[ast.AST]:
    """The data sets of loops that pass each batch to `train_on_batch`."""
    for call in module.calls_by_name.get("train_on_batch", ()):
        loop = next(
            (
                outer
                for outer in module.scopes.ancestors(call)
                if isinstance(outer, ast.For)
                and _names_in(outer.target) & _names_in(call)
            ),
            None,
        )
        place = None if loop is None else batch_of_one(module, loop.iter)
        if loop is not None and place is not None and _holds_batch_norm(module, call):
            yield place if place in module.scopes.parents else loop.iter


def _sized(module: Module) -> Iterator[ast.AST]:
    """The sizes that callers pass to what loads each batch for `train_on_batch`."""
    for call in module.calls_by_name.get("train_on_batch", ()):
        function = module.scopes.enclosing_function(call)
        if function is not None and _SIZE in parameters(function):
            place = passed_as_one(module, function, _SIZE)
            if place is not None and _holds_batch_norm(module, call):
                yield place


def _names_in(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def _loops(module: Module) -> Iterator[ast.AST]:
    """The data sets of loops that take gradients for networks with BN."""
    if not module.mentions(*TRAINING):
        return
    if not any(
        names.BATCH_NORM in kinds_held(module, network)
        for network in trained_networks(module)
    ):
        return
    for loop in module.scopes.of(ast.For):
        place = batch_of_one(module, loop.iter)
        if place is not None and _trains(module, loop):
            # Where it is made in another file, the loop shows it.
            yield place if place in module.scopes.parents else loop.iter


def _trains(module: Module, loop: ast.For) -> bool:
    """Whether a loop, or a function that it calls, applies gradients."""
    for node in ast.walk(loop):
        if not isinstance(node, ast.Call):
            continue
        if trains(node):
            return True
        for value in values(module, node.func):
            if isinstance(value, Routine) and any(
                map(trains, calls_in(value.module, value.node))
            ):
                return True
    return False
