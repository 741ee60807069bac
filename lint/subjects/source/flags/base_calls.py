"""Calls of the `call` of a base class that leave its flag at a default.

It runs as a plain method, so that no phase is inherited: a default False, and from
Keras 3.10 also a None, is inference to the layers that it is passed on to.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.values import Class, Routine
from ..resolving.classes import calls_in, keras_kind, takes_training
from ..resolving.members import members, self_name
from ..resolving.resolve import values
from ..resolving.saying import FLAG, says, says_otherwise
from .handed_on import kinds_handed_on
from .left_defaults import inferring_default

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..resolving.members import Method


@dataclass(frozen=True)
class BaseCall:
    """A call of a base class's `call` without the phase that the class itself takes.

    Attributes:
        call: the call.
        default: the default that it is left at, and passes on.
        kinds: what the layers are that get it.
    """

    call: ast.Call
    default: ast.Constant
    kinds: frozenset[str]


def base_calls(module: Module) -> Iterator[BaseCall]:
    """Yield each such call in a `call`, where no other there passes the phase."""
    for node in module.classes if module.mentions(".call(") else ():
        own = members(module, node).methods.get("call")
        if (
            own is not None
            and takes_training(own)
            and keras_kind(Class(module, node)) is not None
            and not hints.keeps_still(node.name)
            and not hints.only_infers(node.name)
        ):
            yield from _left_in(module, own)


def _left_in(module: Module, own: Method) -> Iterator[BaseCall]:
    found = [
        (call, base)
        for call in calls_in(module, own)
        for base in _run_by(module, call, own)
    ]
    if all(says(module, call).is_nothing for call, _ in found):
        for call, base in found:
            default = inferring_default(base.module, base.node, FLAG)
            kinds = kinds_handed_on(base.module, base.node, FLAG)
            if default and kinds and not says_otherwise(call):
                yield BaseCall(call, default, kinds)


def _run_by(module: Module, call: ast.Call, own: Method) -> Iterator[Routine]:
    """The `call` that `super().call(x)` runs, or `Base.call(self, x)`."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name("super")), attr="call")
        ):
            pass
        case ast.Call(
            func=ast.Attribute(attr="call"), args=[ast.Name(id=name), *_]
        ) if name == self_name(own):
            pass
        case _:
            return
    for value in values(module, call.func):
        if isinstance(value, Routine) and value.node is not own:
            yield value
