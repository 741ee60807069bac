"""The arguments of a call that give momentum: by name, by place, or in a dict."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..reading.keras_versions import keras_for
from ..reading.nodes import last_word, start
from ..reading.values import Items
from ..resolving.classes import keyword
from ..resolving.entries import entries, entry_of_call
from ..resolving.packed import given_in
from ..resolving.records import record_of
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

# How many arguments stand before momentum where it is given by position.
_POSITION = {
    "tensorflow.layers.batch_normalization": 2,
    "contrib.layers.batch_norm": 1,
    "slim.batch_norm": 1,
}
WORDS = ("momentum", "decay")


@dataclass(frozen=True)
class Argument:
    """An expression that gives momentum, in the module where it stands.

    `shown` is what stands for it in the linted module, if that is another one.
    """

    module: Module
    expression: ast.expr
    shown: ast.expr | None = None


def may_say_momentum(call: ast.Call) -> bool:
    """A quick check that saves most calls the search for what they call."""
    return len(call.args) > 1 or any(
        argument.arg is None or argument.arg.endswith((*WORDS, "_params"))
        for argument in call.keywords
    )


def given_to(module: Module, call: ast.Call) -> Iterator[ast.expr]:
    """The functions that `partial` or slim's `arg_scope` gives arguments to."""
    if last_word(call.func) == "partial" and call.args:
        yield call.args[0]
    if last_word(call.func) == "arg_scope" and call.args:
        functions = call.args[0]
        if isinstance(functions, ast.List | ast.Tuple):
            yield from functions.elts
    normalizer = keyword(call, "normalizer_fn")
    if normalizer is not None:
        yield normalizer


def momentum_arguments(
    module: Module, call: ast.Call, name: str, word: str, direct: bool
) -> Iterator[Argument]:
    """Yield the arguments that give momentum: by name, by position, by `**`."""
    given = keyword(call, word)
    if given is not None:
        yield Argument(module, given)
    place = _POSITION.get(name, 1)
    positional = call.args[: place + 1]
    starred = any(isinstance(argument, ast.Starred) for argument in positional)
    if (
        direct
        and len(call.args) > place
        and not starred
        and not _of_keras_1(module, call)
    ):
        yield Argument(module, call.args[place])
    parameters_of_normalizer = None if direct else keyword(call, "normalizer_params")
    yield from packed_arguments(module, call, word, [None, parameters_of_normalizer])


def _of_keras_1(module: Module, call: ast.Call) -> bool:
    """Whether it is `BatchNormalization(epsilon, mode)`: an axis is no fraction."""
    match call.args:
        case [ast.Constant(value=float()), ast.Constant(value=int()), *_]:
            return True
        case [_, ast.Constant(value=int() as mode), *_]:
            return keras_for(module).legacy and mode > 1
    return False


def packed_arguments(
    module: Module, call: ast.Call, word: str, given: list[ast.expr | None]
) -> Iterator[Argument]:
    """Yield arguments given by name, then those given by `**` and in other dicts."""
    direct, *dicts = given
    if direct is not None:
        yield Argument(module, direct)
    dicts += [argument.value for argument in call.keywords if argument.arg is None]
    for expression in dicts:
        if expression is None:
            continue
        entered = _entered(module, call, expression, word)
        if entered is not None:
            yield Argument(module, entered)
            continue
        record = record_of(expression)
        if record is not None:
            field = ast.Attribute(record, word, ast.Load())
            yield Argument(module, ast.copy_location(field, expression), expression)
        for value in values(module, expression):
            if isinstance(value, Items):
                for where, entry in given_in(value, word):
                    # An argument in another file is shown where it is unpacked.
                    here = None if where is module else expression
                    yield Argument(where, entry, here)


def _entered(
    module: Module, call: ast.Call, packed: ast.expr, word: str
) -> ast.expr | None:
    """What `kw["momentum"] = ...` or the like, such as `kw.update()`, last set."""
    if not isinstance(packed, ast.Name):
        return None
    scope = module.scopes.scope_of(call)
    found: list[tuple[int, ast.expr]] = []
    for node in entries(module).get(packed.id, ()):
        given = None
        match node:
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=key))]):
                given = node.value if key == word else None
            case ast.Call():
                given = entry_of_call(node, word)
        before = start(node) < start(call) and module.scopes.scope_of(node) is scope
        if given is not None and before:
            found.append((node.lineno, given))
    return max(found, key=lambda entry: entry[0])[1] if found else None
