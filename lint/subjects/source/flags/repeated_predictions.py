"""Predictions that are repeated on the same data, though nothing differs between them.

`predict` runs a network in inference mode, in which dropout does not drop: what is
meant to sample from the network gets the same values each time.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading.nodes import Function
from ..reading.values import Known, Parameter, Result
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..networks.search import Kinds
    from ..reading.module import Module

_PREDICTS = ("predict", "predict_on_batch")
_TIMES = re.compile(r"time|bench|warm|latency|speed|fps|profil|memory|leak", re.I)
# What is asked of samples.
_SPREAD = re.compile(
    r"\b(n?an)?(std|var|variance|percentile|quantile|entropy)\b|conf_int"
)
# With what dropout is made to drop in inference, or is said to be.
_SAMPLES = re.compile(
    r"training ?= ?(True|1)|learning_phase|[Mm]onte.?[Cc]arlo|\bMC[A-Z]"
)
_COUNTS = re.compile(r"((\w+\.)?tqdm\()?(\w+\.)?x?t?range\(")
_Comprehension = ast.ListComp | ast.GeneratorExp


@dataclass(frozen=True)
class Repeated:
    """A prediction that is made over and over again.

    Attributes:
        call: the call of `predict`.
        network: the network.
        kinds: what it holds of BN and dropout; nothing if it is not in sight.
    """

    call: ast.Call
    network: ast.expr
    kinds: Kinds


def repeated_predictions(module: Module) -> Iterator[Repeated]:
    """Yield each such prediction of a network that drops, and whose results are kept.

    One that is not in sight may be made to drop in inference; it is reported where a
    spread of the results is asked for.
    """
    if module.is_test or not module.mentions(".predict") or module.matches(_SAMPLES):
        return
    for word in _PREDICTS:
        for call in module.calls_by_name.get(word, ()):
            if not isinstance(call.func, ast.Attribute) or not call.args:
                continue
            loop = _loop(module, call)
            if loop is None or not _is_the_same(loop, call):
                continue
            network = call.func.value
            kinds = kinds_held(module, network) & {names.BATCH_NORM, names.DROPOUT}
            if names.DROPOUT in kinds or (
                not kinds
                and _is_out_of_sight(module, network)
                and _SPREAD.search(_around(module, call))
            ):
                yield Repeated(call, network, kinds)


def _loop(module: Module, call: ast.Call) -> ast.For | _Comprehension | None:
    """The loop that only counts, in which the call is made and its result kept."""
    if isinstance(module.scopes.parents.get(call), ast.Expr):
        return None
    for outer in module.scopes.ancestors(call):
        match outer:
            case (
                ast.For(iter=over)
                | ast.ListComp(generators=[ast.comprehension(iter=over)])
                | ast.GeneratorExp(generators=[ast.comprehension(iter=over)])
            ):
                counts = _COUNTS.match(ast.unparse(over)) is not None
                timed = _TIMES.search(_around(module, call)) is not None
                return outer if counts and not timed else None
            case _ if isinstance(
                outer, Function | ast.ClassDef | ast.While | ast.If | _Comprehension
            ):
                return None
    return None


def _is_the_same(loop: ast.For | _Comprehension, call: ast.Call) -> bool:
    """Whether nothing in the loop changes the data or touches the network otherwise."""
    read = {
        node.id
        for node in ast.walk(call)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    bound = {
        node.id
        for node in ast.walk(loop)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    fresh = any(
        isinstance(node, ast.Call) for node in ast.walk(call) if node is not call
    )
    network = ast.unparse(call.func.value)  # type: ignore[attr-defined]
    owner = network.split(".", 1)[0]
    others = [
        node
        for node in ast.walk(loop)
        if isinstance(node, ast.Name | ast.Attribute)
        and ast.unparse(node) in (network, owner)
    ]
    own = sum(1 for node in ast.walk(call.func) if node in others)
    return not fresh and read.isdisjoint(bound) and len(others) == own


def _is_out_of_sight(module: Module, network: ast.expr) -> bool:
    """Whether it is loaded, passed in, or kept by what is."""
    found = values(module, network)
    if not found and isinstance(network, ast.Attribute):
        return _is_out_of_sight(module, network.value)
    return bool(found) and all(
        isinstance(value, Parameter)
        or (
            isinstance(value, Result)
            and value.maker == Known("keras.models.load_model")
        )
        for value in found
    )


def _around(module: Module, call: ast.Call) -> str:
    function = module.scopes.enclosing_function(call)
    return module.text if function is None else ast.unparse(function)
