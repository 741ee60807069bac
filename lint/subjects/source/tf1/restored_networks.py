"""Networks of TensorFlow 1 that are restored to be run, and built for training."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.values import Known, Routine, unpacks
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG_OF_FUNCTIONS
from .routine_flags import flag_given

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_TRAINS = re.compile(
    r"\b(minimize|apply_gradients|compute_gradients|create_train_op|optimize_loss"
    r"|gradients|fit\w*|train_on_batch|import_module)\("
)
_EXPORTING = (
    *("convert_variables_to_constants", "extract_sub_graph", "simple_save"),
    "add_meta_graph_and_variables",
)
_GENERATES = re.compile(r"gan|generat|sampl|style|fake|pix2pix|transfer", re.IGNORECASE)


@dataclass(frozen=True)
class Restored:
    """A call that builds a network in training mode, to be restored and run.

    Attributes:
        node: the flag, or the call that leaves it at True.
        called: what is called, as written.
        surely: whether layers are in sight, and nothing says that it generates.
    """

    node: ast.AST
    called: str
    surely: bool


def restored_in_training(module: Module) -> Iterator[Restored]:
    """Yield each such call, where its function also restores, and runs or exports.

    Nothing in the module may train, and the network not be built with False, too.
    """
    restoring = _around(module, "restore")
    if not restoring or module.matches(_TRAINS) or module.is_test:
        return
    both = restoring & _around(module, "run", *_EXPORTING)
    found = [
        (call, flag, known)
        for call in module.calls
        if module.scopes.enclosing_function(call) in both
        for flag, known in _flags(module, call)
    ]
    if any(_is(flag, False) for _, flag, _ in found):
        return
    for call, flag, known in found:
        if not (flag is None or _is(flag, True)):
            continue
        names_around = [*module.scopes.names_around(call), module.path.stem]
        if not any(map(hints.is_meant_random, names_around)):
            said = " ".join([*names_around, ast.unparse(call.func)])
            surely = known and _GENERATES.search(said) is None
            yield Restored(flag or call, ast.unparse(call.func), surely)


def _around(module: Module, *words: str) -> set[ast.AST | None]:
    """The functions in which something of such a name is called; None for none."""
    return {
        module.scopes.enclosing_function(call)
        for word in words
        for call in module.calls_by_name.get(word, ())
    }


def _is(flag: ast.expr | None, value: bool) -> bool:
    return isinstance(flag, ast.Constant) and flag.value is value


def _flags(module: Module, call: ast.Call) -> Iterator[tuple[ast.expr | None, bool]]:
    """The phase that a network gets, None for slim's default, and if it is in sight."""
    if unpacks(call):
        return
    for value in values(module, call.func):
        match value:
            case Routine():
                flag = flag_given(value, call)
                if flag is not None:
                    yield flag, True
                return
            case Known(name) if names.SLIM_NETWORK.match(name):
                yield keyword(call, FLAG_OF_FUNCTIONS), False
                return
