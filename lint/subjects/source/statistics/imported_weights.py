"""Weights of other frameworks that are put into Keras' batch normalization."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.bindings import Kind
from ..reading.values import Known, unpacks
from ..resolving.classes import keyword
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

ORDER = ("gamma", "beta", "moving mean", "moving variance")
_WORDS = {
    **dict.fromkeys(("gamma", "scale", "weight"), ORDER[0]),
    **dict.fromkeys(("beta", "offset", "bias", "shift"), ORDER[1]),
    "mean": ORDER[2],
    **dict.fromkeys(("var", "variance"), ORDER[3]),
}
_EPSILON_PLACE = 2
# What PyTorch calls the statistics.
_OF_TORCH = re.compile(r"running_(mean|var)\b")


def misordered_weights(module: Module) -> Iterator[tuple[ast.expr, list[str]]]:
    """Yield each list of weights of BN in an order that is not Keras', and which.

    It has mean, variance, and at least one of the others. What each of them is, is
    known by its name, or by what the name stands for.
    """
    for given in _lists_given(module):
        found = [_kind_of(module, each) for each in given.elts]
        kinds = [kind for kind in found if kind is not None]
        right = [kind for kind in ORDER if kind in kinds]
        known = len(kinds) == len(found) == len(right)
        if known and right[-2:] == [*ORDER[2:]] and kinds != right:
            yield given, kinds


def default_epsilons(module: Module) -> Iterator[ast.Call]:
    """Yield the first BN layer with Keras' epsilon, where weights of others are put in.

    They come from PyTorch by their names, or as `weights=...` of the layer.
    """
    if not module.mentions("set_weights", "weights=") or module.mentions("epsilon"):
        return
    of_torch = module.mentions("set_weights") and bool(_OF_TORCH.search(module.text))
    for call in module.calls_by_name.get("BatchNormalization", ()):
        layer = any(
            isinstance(value, Known) and value.name in names.BATCH_NORM_LAYERS
            for value in values(module, call.func)
        )
        if layer and not unpacks(call) and len(call.args) <= _EPSILON_PLACE:
            given = keyword(call, "weights")
            written = given is not None and not isinstance(given, ast.Constant)
            if (of_torch or written) and keyword(call, "eps") is None:
                yield call
                return


def _lists_given(module: Module) -> Iterator[ast.List | ast.Tuple]:
    """The lists that are set as weights, or that a BN layer begins with."""
    given = [
        call.args[0]
        for call in module.calls_by_name.get("set_weights", ())
        if call.args
    ]
    for call in module.calls_by_name.get("BatchNormalization", ()):
        weights = keyword(call, "weights")
        if weights is not None:
            given.append(weights)
    for expression in given:
        found = _meant(module, expression)
        if isinstance(found, ast.List | ast.Tuple) and len(found.elts) > 2:
            yield found


def _kind_of(module: Module, weight: ast.expr) -> str | None:
    """Which of the four a weight is, by the last word of it that says so."""
    for expression in (weight, _meant(module, weight)):
        words = hints.words_of(ast.unparse(expression))
        kinds = [_WORDS[word] for word in words if word in _WORDS]
        if kinds:
            return kinds[-1]
    return None


def _meant(module: Module, expression: ast.expr) -> ast.expr:
    """The only expression that a name stands for in its function, or what is given."""
    if isinstance(expression, ast.Name):
        match module.scopes.lookup(expression):
            case scope, [binding] if (
                binding.kind is Kind.VALUE
                and isinstance(binding.node, ast.expr)
                and scope is module.scopes.scope_of(expression)
            ):
                return binding.node
    return expression
