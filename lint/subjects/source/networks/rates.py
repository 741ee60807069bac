"""Kinds of Keras' layers as they are made: at a rate of 0 nothing is dropped."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..resolving.classes import keyword
from ..resolving.comparisons import Other
from ..resolving.switches import constants_of

if TYPE_CHECKING:
    from ..reading.module import Module
    from ..resolving.runs import Run


# Whose recurrent, attention and transformer layers take a rate, which is 0 by default.
_WITH_DROPOUT = ("keras.layers.", "keras_hub.layers.", "keras_nlp.layers.")


def kinds_made(
    module: Module, name: str, call: ast.Call, run: Run | None, literally: bool
) -> frozenset[str]:
    """Return the kinds of a layer of that name, as the call makes it.

    `literally` says that only a rate that is written there as 0 counts as 0.
    """
    if _never_drops(module, name, call, run, literally):
        return frozenset()
    if _drops_inside(module, name, call, run):
        return names.kinds_named(name) | {names.DROPOUT}
    return names.kinds_named(name)


def _never_drops(
    module: Module, name: str, call: ast.Call, run: Run | None, literally: bool
) -> bool:
    """Whether it is dropout or noise with a rate of 0; or, literally, with that 0."""
    if not names.kinds_named(name) & {names.DROPOUT, names.NOISE}:
        return False
    given = [*call.args[:1], *(argument.value for argument in call.keywords[:1])][:1]
    if not given or (literally and not isinstance(given[0], ast.Constant)):
        return False
    found = constants_of(module, given[0], run)
    known = [value for value in found if not isinstance(value, Other)]
    return bool(known) and not any(known)


def _drops_inside(module: Module, name: str, call: ast.Call, run: Run | None) -> bool:
    """Whether a recurrent or attention layer drops, which it does only if asked to."""
    if not name.startswith(_WITH_DROPOUT):
        return False
    for argument in ("dropout", "recurrent_dropout"):
        given = keyword(call, argument)
        if given is not None and any(
            isinstance(rate, float) and rate > 0
            for rate in constants_of(module, given, run)
        ):
            return True
    return False
