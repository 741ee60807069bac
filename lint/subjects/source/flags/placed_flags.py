"""Flags that a layer of Keras 3 is given by position, where it takes only tensors."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.keras_versions import keras_for
from ..reading.values import Class, Known, Result, Self, argument_for
from ..resolving.classes import keras_kind
from ..resolving.lineage import method_of, project_lineage
from ..resolving.members import members
from ..resolving.resolve import values
from ..resolving.saying import FLAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value

_LAYERS = "keras.layers."
_ALLOWED = "_allow_non_tensor_positional_args"


def placed_flags(module: Module) -> Iterator[tuple[ast.Call, ast.expr]]:
    """Yield each call of a layer with a flag by position, and the flag.

    Keras 3 raises a `ValueError` if that is True or False. It must be sure that the
    source is for it: in Keras 2 such a flag is right.
    """
    keras = keras_for(module)
    if keras.legacy or keras.assumed:
        return
    for call in module.calls:
        if len(call.args) < 2 or any(
            isinstance(argument, ast.Starred) for argument in call.args
        ):
            continue
        match [*{_placed(value, call) for value in values(module, call.func)}]:
            case [ast.Constant(value=None)]:
                continue
            case [ast.expr() as flag]:
                yield call, flag


def _placed(layer: Value, call: ast.Call) -> ast.expr | None:
    """The argument by position that a layer takes as its flag, if it does."""
    match layer:
        case Result(maker=Known(name)) if _takes_flag_second(name):
            second = call.args[1]
            written = ast.unparse(second)
            if isinstance(second, ast.Constant) or hints.is_flag_like(written):
                return second
        case Self(cls) | Result(maker=Class() as cls):
            own = method_of(cls, "call")
            if (
                own is not None
                and keras_kind(cls) is not None
                and method_of(cls, "__call__") is None
                and not _allows(cls)
            ):
                given = argument_for(call, own.node, FLAG, 1)
                return given if given in call.args else None
    return None


def _allows(cls: Class) -> bool:
    """Whether it sets the attribute by which Keras allows it."""
    return any(
        members(base.module, base.node).given(_ALLOWED) for base in project_lineage(cls)
    )


def _takes_flag_second(name: str) -> bool:
    """Whether it is BN, dropout or noise of Keras, whose `call` has the flag second."""
    kinds = names.kinds_named(name) - {names.AUGMENTATION}
    return bool(kinds) and name.startswith(_LAYERS)
