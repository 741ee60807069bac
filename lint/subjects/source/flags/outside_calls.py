"""Networks that a class of Keras calls for its loss, outside of any `call`.

`compute_loss`, `compute_metrics` and the like are run beside the `call` of a model, not
in it. There no phase is inherited: a network called without one infers, also when it
trains.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ..networks.frozen import freezes
from ..networks.sublayers import gets_phase_elsewhere
from ..reading import hints
from ..reading.values import Class, Self
from ..resolving.classes import keras_kind, reached, takes_training
from ..resolving.lineage import method_of
from ..resolving.members import members
from ..resolving.resolve import values
from ..training.phases import loses_flag
from ..training.running import Running, running
from .leaks import is_layer
from .phase_layers import depends_on_phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..resolving.members import Method

_LOSES = re.compile(r"_*(compute_metrics|(\w+_)?loss(es)?)$")
_MAY_LOSE = re.compile(r"def (_*compute_metrics|\w*loss\w*)\(\s*self\b")


@dataclass(frozen=True)
class Outside:
    """A call of a network without a phase, in a method that computes a loss.

    Attributes:
        call: the call, or the one that leads to it.
        called: the network, as written.
        method: the method's name.
    """

    call: ast.Call
    called: str
    method: str


def outside_calls(module: Module) -> Iterator[Outside]:
    """Yield the first such call in each such method."""
    if module.is_test or not module.matches(_MAY_LOSE):
        return
    for node in module.classes:
        own = members(module, node).methods
        losing = [method for name, method in own.items() if _LOSES.match(name)]
        cls = Class(module, node)
        if losing and keras_kind(cls) is not None:
            inside = {routine.node for routine in reached(cls, "call")}
            for method in losing:
                if method not in inside:
                    yield from islice(_lost_in(cls, method), 1)


def _lost_in(cls: Class, method: Method) -> Iterator[Outside]:
    for run in running(cls.module, [method]):
        if _is_network(cls, run) and not _is_meant(run):
            lost = loses_flag(run)
            if lost is not None:
                yield Outside(lost.shown, _written(run), method.name)


def _written(run: Running) -> str:
    return ast.unparse(run.call.func)


def _is_network(cls: Class, run: Running) -> bool:
    """Whether it calls the instance, or a layer of it that depends on the phase."""
    module, call = run.module, run.call
    if not (call.args or call.keywords):
        return False
    if any(isinstance(value, Self) for value in values(module, call.func)):
        own = method_of(cls, "call")
        return own is not None and takes_training(own.node)
    return gets_phase_elsewhere(module, call.func) or (
        is_layer(module, call) and depends_on_phase(module, call.func)
    )


def _is_meant(run: Running) -> bool:
    """Whether the network is frozen, or a name says that it only infers."""
    around = run.module.scopes.names_around(run.call)
    return (
        freezes(run.module).covers(run.call.func)
        or hints.keeps_still(_written(run))
        or any(map(hints.keeps_still, around))
        or any(map(hints.is_meant_random, around))
    )
