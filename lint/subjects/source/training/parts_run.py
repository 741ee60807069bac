"""Parts of a network that a step trains, and that run as the whole is called."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..networks.identity import is_part_of
from ..reading.values import Class, Result, Self
from ..resolving.classes import calls_in, keyword, reached
from ..resolving.members import attribute_of_self, self_name
from ..resolving.resolve import values
from ..resolving.saying import FLAG, depends_on_flag, says
from .built_around import inner_networks
from .lost_flag import LOST
from .running import kinds_of_network

if TYPE_CHECKING:
    from .running import Network, Running


def kinds_inside(
    known: list[Network], trained: list[Network], step: ast.AST, runs: list[Running]
) -> frozenset[str]:
    """What a trained network holds that the called one is built around, or runs."""
    alone = {
        ast.unparse(run.call.func)
        for run in runs
        if keyword(run.call, FLAG) is not None
    }
    for network in known:
        for owner in trained:
            if _runs_in_its_call(network, owner[1]) and is_part_of(
                owner, network, step
            ):
                kinds = kinds_of_network(owner) & LOST
                if kinds and ast.unparse(owner[1]) not in alone:
                    return kinds
        for inner in inner_networks(*network):
            kinds = kinds_of_network(inner) & LOST
            if kinds and any(is_part_of(inner, owner, step) for owner in trained):
                return kinds
    return frozenset()


def _runs_in_its_call(network: Network, part: ast.expr) -> bool:
    """Whether a network of an own class runs a part of its own by what it is called.

    `self(x)` runs `self.encoder`, if its `call` does so in the phase that it is in.
    """
    if not isinstance(part, ast.Attribute):
        return False
    for value in values(*network):
        match value:
            case Self(cls) | Result(maker=Class() as cls):
                for routine in reached(cls, "call"):
                    me = self_name(routine.node)
                    for call in calls_in(routine.module, routine.node):
                        if attribute_of_self(call.func, me) == part.attr:
                            said = says(routine.module, call)
                            if said.is_nothing or depends_on_flag(routine.module, said):
                                return True
    return False
