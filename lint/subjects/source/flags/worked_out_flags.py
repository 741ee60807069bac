"""Flags that a `call` works out from a parameter that Keras never passes: a mode.

def call(self, x, mode="train"):
    return self.bn(x, training=mode == "train")
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.nodes import arguments_of, nodes_in
from ..reading.values import Class, default_of
from ..resolving.classes import calls_in, keras_kind, keyword, takes_training
from ..resolving.members import members
from ..resolving.runs import Run
from ..resolving.saying import FLAG, local_value
from ..resolving.switches import truth
from .handed_on import Misnamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function

_WORKED_OUT = ast.Compare | ast.UnaryOp | ast.BoolOp | ast.IfExp


def worked_out_flags(module: Module) -> Iterator[Misnamed]:
    """Yield each such parameter, with what the flag is by its default."""
    for node in module.classes:
        cls = Class(module, node)
        call = members(module, node).methods.get("call")
        if call is None or takes_training(call) or keras_kind(cls) is None:
            continue
        for argument in arguments_of(call)[2:]:
            name = argument.arg
            if default_of(call, name) is None or not hints.speaks_of_phase(name):
                continue
            flags = {
                flag: kinds
                for flag in (True, False)
                if (kinds := _kinds_given(module, call, name, flag))
            }
            if len(flags) == 1:
                [(flag, kinds)] = flags.items()
                yield Misnamed(cls, argument, flag, kinds, worked_out=True)


def _kinds_given(
    module: Module, call: Function, name: str, flag: bool
) -> frozenset[str]:
    """What the layers hold that get that flag where the parameter is left out."""
    by_keras = ast.copy_location(ast.Call(ast.Name("self"), [], []), call)
    run = Run(call, module, by_keras, 1, None, (call, name))
    kinds: frozenset[str] = frozenset()
    for inner in calls_in(module, call):
        given = keyword(inner, FLAG)
        worked_out = None if given is None else local_value(module, given)
        if (
            isinstance(worked_out, _WORKED_OUT)
            and any(
                isinstance(node, ast.Name) and node.id == name
                for node in nodes_in(worked_out)
            )
            and truth(module, worked_out, run) is flag
        ):
            kinds |= kinds_held(module, inner.func)
    return kinds
