"""Networks that a module trains, and those it has trained or loaded before."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..networks.identity import origins_of
from ..reading.memo import found_once, remembered
from ..reading.nodes import last_word
from ..reading.values import Known, Result
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.saying import says
from ..resolving.symbolic import network_parts
from .built_around import inner_networks
from .owners import owners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_FITTING = ("fit", "fit_generator", "train_on_batch", "load_weights", "restore")
GRADIENTS = ("gradient", "minimize", "compute_gradients", "apply_gradients", "apply")
_LOADING = ("keras.models.load_model", "tensorflow.saved_model.load")


@found_once
def trained_networks(module: Module) -> Iterator[ast.expr]:
    """The networks whose variables gradients are taken for, or applied to."""
    for word in GRADIENTS:
        for call in module.calls_by_name.get(word, ()):
            yield from owners_in(module, call)
    for call in module.calls_by_name.get("parameters", ()):
        if isinstance(call.func, ast.Attribute):
            yield call.func.value  # for an optimizer of PyTorch


def owners_in(module: Module, call: ast.Call) -> Iterator[ast.expr]:
    """The networks whose variables a call is given."""
    for given in (*call.args, *(word.value for word in call.keywords)):
        yield from owners(module, given)


def is_trained(module: Module, network: ast.expr) -> bool:
    """Whether gradients are taken for a network that may be this one, or its part.

    The parts of a combined model are what its graph calls: `Model(z, critic(net(z)))`.
    """
    parts = ((module, network), *inner_networks(module, network))
    ours = {place for where, part in parts for place in places(where, part)}
    return any(
        our[: len(their)] == their or their[: len(our)] == our
        for network in trained_networks(module)
        for their in places(module, network)
        for our in ours
    )


def was_trained(module: Module, network: ast.expr) -> bool:
    """Whether it is fitted, or its weights are loaded, by a method of its own."""
    ours = places(module, network)
    if any(
        isinstance(value, Result)
        and isinstance(value.maker, Known)
        and value.maker.name in _LOADING
        for origin in ours
        if isinstance(origin[0], ast.Call)
        for value in values(module, origin[0])
    ):
        return True
    return any(
        isinstance(call.func, ast.Attribute)
        and not ours.isdisjoint(places(module, call.func.value))
        for word in _FITTING
        for call in module.calls_by_name.get(word, ())
    )


def is_finished(module: Module, network: ast.expr) -> bool:
    """Whether its weights are loaded, and it is not fitted afterwards in the module.

    A network of `keras.applications` comes with weights, unless none are asked for.
    """
    ours = places(module, network)
    fitted = any(
        isinstance(call.func, ast.Attribute)
        and not ours.isdisjoint(places(module, call.func.value))
        for word in ("fit", "fit_generator", "train_on_batch")
        for call in module.calls_by_name.get(word, ())
    )
    if fitted:
        return False
    return was_trained(module, network) or any(
        _is_pretrained(where, part)
        for where, part in (
            (module, network),
            *network_parts(module, network),
        )
    )


def is_fresh(module: Module, call: ast.Call) -> bool:
    """Whether a call runs a network that the module makes, and never trains as it may.

    Its weights are not loaded, and no call of it is in training mode.
    """
    ours = places(module, call.func)
    return (
        any(isinstance(origin[0], ast.Call) for origin in ours)
        and not was_trained(module, call.func)
        and not is_finished(module, call.func)
        and not any(
            other is not call
            and says(module, other).is_constant(True)
            and not ours.isdisjoint(places(module, network))
            for other, network in _calls_like(module, call)
        )
    )


def _calls_like(module: Module, call: ast.Call) -> Iterator[tuple[ast.Call, ast.expr]]:
    """The calls by the same name, and of `partial`, each with what it may run."""
    for other in module.calls_by_name.get(last_word(call.func), ()):
        yield other, other.func
    for other in module.calls_by_name.get("partial", ()):
        yield from ((other, network) for network in other.args[:1])


def _is_pretrained(module: Module, part: ast.expr) -> bool:
    return any(
        isinstance(value, Result)
        and isinstance(value.maker, Known)
        and value.maker.name.startswith("keras.applications.")
        and not _is_none(keyword(value.call, "weights"))
        for value in values(module, part)
    )


def _is_none(given: ast.expr | None) -> bool:
    return isinstance(given, ast.Constant) and given.value is None


@remembered
def places(module: Module, network: ast.expr) -> frozenset[tuple[object, ...]]:
    """Return the places where a network may have been made, by all ways to it."""
    return frozenset(origins_of(module, network))
