"""Gradients taken in a function that gets the tape: `learn(tape, loss, network)`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.nodes import arguments_of, last_word
from ..reading.values import Routine, argument_for
from ..resolving.classes import calls_in
from ..resolving.handed import as_caller_writes
from ..resolving.resolve import values
from .lost_flag import APPLYING
from .tapes import taken_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


def names_passed(call: ast.Call) -> list[ast.Name]:
    """The arguments of a call that are names."""
    given = (*call.args, *(word.value for word in call.keywords))
    return [one for one in given if isinstance(one, ast.Name)]


def taken_elsewhere(
    module: Module, call: ast.Call, tapes: list[ast.Name]
) -> Iterator[tuple[list[ast.expr], bool]]:
    """Yield what functions that a call passes tapes to take the gradients for.

    It is as the caller writes it; and whether the function applies them.
    """
    for value in values(module, call.func) if tapes else ():
        if not isinstance(value, Routine):
            continue
        skipped = int(value.owner is not None)
        inside = list(calls_in(value.module, value.node))
        applies = any(last_word(inner.func) in APPLYING for inner in inside)
        for argument in arguments_of(value.node):
            if argument_for(call, value.node, argument.arg, skipped) not in tapes:
                continue
            for tape, sources in filter(None, map(taken_by, inside)):
                if tape.id == argument.arg:
                    written = (
                        as_caller_writes(module, call, value, source)
                        for source in sources
                    )
                    yield [one for one in written if one is not None], applies
