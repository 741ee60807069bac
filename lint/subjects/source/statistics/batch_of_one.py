"""Networks with BN that are trained with one sample at a time."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..networks.sequence import layers_before
from ..reading.bindings import Kind
from ..reading.nodes import last_word
from ..reading.values import (
    Class,
    Known,
    Parameter,
    Result,
    Routine,
    dict_entries,
    parameters,
    unpacks,
)
from ..resolving.callers import all_calls, handed_in
from ..resolving.classes import calls_in, keras_kind, keyword
from ..resolving.entries import put_in
from ..resolving.members import returns_of
from ..resolving.packed import settings_of
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says
from ..training.applying import TRAINING, trains
from ..training.tapes import stands_in_tape
from ..training.trained import is_trained, trained_networks
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
    from ..reading.values import Value

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
        surely: whether it is known which network that is.
    """

    place: ast.AST
    is_flat: bool
    surely: bool = True


def batches_of_one(module: Module) -> Iterator[BatchOfOne]:
    """Yield each place by which a network with BN gets one sample at a time.

    None where Keras' learning phase is set: with 0, a fit infers.
    """
    if "set_learning_phase" in module.calls_by_name:
        return
    found: dict[ast.AST, bool] = {}
    for word in (*_FITTING, "train_on_batch"):
        for call in module.calls_by_name.get(word, ()):
            place = _given(module, call)
            surely = None if place is None else _holds(module, _on(call))
            if place is not None and surely is not None:
                found.setdefault(place, surely)
    for place, surely in _in_tapes(module):
        found.setdefault(place, surely)
    for place in (*_fed(module), *_sized(module), *_loops(module)):
        found.setdefault(place, True)
    if found:
        is_flat = any(layer.kind in _FLAT for layer in layers_before(module))
        for place, surely in found.items():
            by_option = _is_by_option(module, place)
            yield BatchOfOne(place, is_flat and not by_option, surely)


def _is_by_option(module: Module, place: ast.AST) -> bool:
    """Whether it is one only if a command is not given another number."""
    return any(
        isinstance(node, ast.expr) and is_option_of_one(module, node)
        for node in ast.walk(place)
    )


def _holds_batch_norm(module: Module, call: ast.Call) -> bool:
    """Whether the network whose method is called surely holds BN."""
    return _holds(module, _on(call)) is True


def _on(call: ast.Call) -> ast.expr:
    """What a method is called on."""
    return call.func.value if isinstance(call.func, ast.Attribute) else call.func


def _holds(module: Module, network: ast.expr) -> bool | None:
    """Whether a network surely holds BN; None if it is not seen that it may."""
    known = [(module, network), *handed_in(module, network)]
    known += [(module, alike) for alike in _of_that_name(module, network)]
    if any(names.BATCH_NORM in kinds_held(*one) for one in known):
        return True
    return False if _may_hold(module, network) else None


def _of_that_name(module: Module, network: ast.expr) -> Iterator[ast.expr]:
    """What has the name of a parameter in the file, if nothing in sight passes it."""
    for parameter in _never_passed(module, network):
        if parameter.module is module:
            for binding in module.scopes.top.bindings.get(parameter.name, ()):
                if binding.kind is Kind.VALUE and isinstance(binding.node, ast.expr):
                    yield binding.node


def _may_hold(module: Module, network: ast.expr) -> bool:
    """Whether nothing passes the network, and all that the file builds hold BN."""
    if not _never_passed(module, network):
        return False
    built = [
        names.BATCH_NORM in kinds_held(module, returned)
        for function in module.scopes.of(ast.FunctionDef)
        for returned in returns_of(module, function)
        if any(map(_is_network, values(module, returned)))
    ]
    return bool(built) and all(built)


def _is_network(value: Value) -> bool:
    match value:
        case Result(maker=Known("keras.Model" | "keras.Sequential")):
            return True
        case Result(maker=Class() as cls):
            return keras_kind(cls) in ("model", "sequential")
    return False


def _never_passed(module: Module, network: ast.expr) -> list[Parameter]:
    """The parameters that a network is, of functions that nothing in sight calls."""
    found = [v for v in values(module, network) if isinstance(v, Parameter)]
    if len(found) < len(values(module, network)):
        return []
    return [one for one in found if not all_calls(one.module, one.function)]


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


def _in_tapes(module: Module) -> Iterator[tuple[ast.AST, bool]]:
    """The calls in training steps by which a network that is trained gets one sample.

    Only those in training mode; each comes with whether the network surely holds BN.
    """
    for call in module.calls if module.mentions("GradientTape") else ():
        if (
            call.args
            and keyword(call, FLAG) is not None
            and says(module, call).is_constant(True)
            and is_single(module, call.args[0])
            and stands_in_tape(module, call)
            and is_trained(module, call.func)
        ):
            surely = _holds(module, call.func)
            if surely is not None:
                yield call, surely


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
