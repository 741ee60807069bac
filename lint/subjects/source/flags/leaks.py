"""Flags written out in a `call` that reach the layers called after it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.nodes import end
from ..reading.values import Class, Known, Parameter, Result, Self
from ..resolving.callers import handed_in
from ..resolving.classes import calls_in, keras_kind, keyword, reached
from ..resolving.heirs import called_layers
from ..resolving.lineage import method_of
from ..resolving.members import members
from ..resolving.resolve import values
from ..resolving.saying import FLAG, How, Said, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..reading.values import Value

_FLAG = re.compile(r"\btraining\s*=\s*(True|False|None)\b")


@dataclass(frozen=True)
class Leak:
    """A call of BN, or of what holds BN, that gets the flag of an earlier call.

    Attributes:
        cls: the class whose `call` it is in.
        call: the call that leaves `training` open.
        flag: the value that it gets.
        giver: what was called with that flag, as written.
    """

    cls: Class
    call: ast.Call
    flag: bool | None
    giver: str


def leaked_flags(module: Module) -> Iterator[Leak]:
    """Yield such calls in the classes of the module, each once."""
    lines = [
        number
        for number, line in enumerate(module.lines, 1)
        if "training" in line and _FLAG.search(line)
    ]
    seen = set()
    for node in module.classes if lines else ():
        cls = Class(module, node)
        if "call" not in members(module, node).methods or keras_kind(cls) is None:
            continue
        for routine in reached(cls, "call"):
            first, last = routine.node.lineno, routine.node.end_lineno or 0
            if routine.module is not module or not any(
                first <= line <= last for line in lines
            ):
                continue
            for leak in _leaks_in(cls, module, routine.node):
                if leak.call not in seen:
                    seen.add(leak.call)
                    yield leak


def _leaks_in(cls: Class, module: Module, function: Function) -> Iterator[Leak]:
    # An argument is evaluated before the call that it is in, and ends before it.
    calls = sorted(calls_in(module, function), key=end)
    flags: list[tuple[ast.Call, Said]] = []
    for call in calls:
        if not _is_here(module, call, function):
            continue
        said = says(module, call)
        if keyword(call, FLAG) is not None and is_layer(module, call):
            flags.append((call, said))
        elif flags and leaves_it_open(module, call):
            for giver, flag in _reaching(module, flags, call):
                yield Leak(cls, call, flag, ast.unparse(giver.func))


def _is_here(module: Module, call: ast.Call, function: Function) -> bool:
    """Whether it is in the function itself, not in one that is defined inside."""
    return module.scopes.enclosing_function(call) is function


def _reaching(
    module: Module, flags: list[tuple[ast.Call, Said]], call: ast.Call
) -> Iterator[tuple[ast.Call, bool | None]]:
    """The last flag before a call, if it surely comes there and is a constant."""
    for giver, flag in reversed(flags):
        if not module.scopes.may_precede(giver, call):
            continue
        surely = module.scopes.precedes(giver, call) and not _is_optional(module, giver)
        if flag.how is How.CONSTANT and surely:
            yield giver, flag.flag
        return


def _is_optional(module: Module, call: ast.Call) -> bool:
    """Whether its own statement may leave it out: `a(x) if training else b(x)`."""
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, ast.stmt):
            return False
        if isinstance(outer, ast.IfExp | ast.BoolOp):
            return True
    return False


def is_layer(module: Module, call: ast.Call) -> bool:
    """Whether a Keras layer or network is called: only these pass a flag on."""
    return stands_for_layer(module, call.func)


def stands_for_layer(module: Module, called: ast.expr) -> bool:
    """Whether what is called may be a Keras layer or network.

    What is passed in is one if all that other files pass for it are.
    """
    found = values(module, called)
    if found and all(isinstance(value, Parameter) for value in found):
        given = list(handed_in(module, called))
        return bool(given) and all(_is_instance(values(*one)) for one in given)
    return _is_instance(called_layers(module, called))


def _is_instance(found: tuple[Value, ...]) -> bool:
    for value in found:
        match value:
            case Result(maker=Known(name)):
                return name.startswith(("keras.", "kerasbn."))
            case Result(maker=Class() as cls):
                return (
                    keras_kind(cls) is not None and method_of(cls, "__call__") is None
                )
    return False


def leaves_it_open(module: Module, call: ast.Call) -> bool:
    """Whether it calls BN or a network with BN without a phase."""
    if not says(module, call).is_nothing:
        return False
    if any(isinstance(value, Self) for value in values(module, call.func)):
        return False
    return is_layer(module, call) and names.BATCH_NORM in kinds_held(module, call.func)
