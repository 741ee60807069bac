"""Predictions of a new network with BN, in a script that never trains or loads it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..networks.layer_search import LayerSearch
from ..reading import hints
from ..reading.nodes import last_word
from ..reading.values import Known, Result
from ..resolving.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_PREDICTS = ("predict", "predict_on_batch")
# What may give the network other weights, or says that only its form, speed or
# conversion matters.
_OTHERWISE = re.compile(
    r"fit|train_on_batch|GradientTape|minimize|backward|optimi[sz]er|learning_phase"
    r"|(load|set|copy|transfer|restore|convert)_?\w*(weights|variables|model)|assign\("
    r"|restore\(|from_pretrained|checkpoint|training ?= ?True|trainer|adapt\("
    r"|weights ?= ?(?!None)|argv|parse_args"
    r"|time|bench|profil|summary|(?<!re)shape\b|export|save|flops|quantiz|assert|unittest"
    r"|strategy|onnx|tflite|torch|plot_model",
    re.IGNORECASE,
)
_SHOWING = ("print", "plot", "imshow", "scatter", "hist", "array_equal", "allclose")


class _AnySearch(LayerSearch):
    even_made_frozen = True


def predicted_untrained(module: Module) -> Iterator[ast.Call]:
    """Yield the first such prediction of the script whose values are used."""
    if (
        not module.mentions("BatchNorm")
        or not module.mentions(*_PREDICTS)
        or module.matches(_OTHERWISE)
        or module.is_test
    ):
        return
    for word in _PREDICTS:
        for call in module.calls_by_name.get(word, ()):
            if (
                isinstance(call.func, ast.Attribute)
                and module.scopes.enclosing_function(call) is None
                and _is_new(module, call.func.value)
                and _is_shown(module, call)
            ):
                yield call
                return


def _is_new(module: Module, network: ast.expr) -> bool:
    """Whether it is made here, and holds BN, frozen or not."""
    found = values(module, network)
    made = ("keras.Model", "keras.Sequential")
    return (
        bool(found)
        and all(
            isinstance(value, Result)
            and isinstance(value.maker, Known)
            and value.maker.name in made
            for value in found
        )
        and names.BATCH_NORM in _AnySearch(even_frozen=True).expression(module, network)
        and not hints.is_meant_random(ast.unparse(network))
    )


def _is_shown(module: Module, call: ast.Call) -> bool:
    """Whether its values are printed, plotted or compared, at once or by its name."""
    uses: list[ast.AST] = [call]
    match module.scopes.parents.get(call):
        case ast.Assign(targets=[ast.Name(id=given)]):
            uses = [
                node
                for node in module.scopes.of(ast.Name)
                if node.id == given and isinstance(node.ctx, ast.Load)
            ]
        case ast.Expr():
            return module.path.suffix == ".ipynb"
    return any(
        isinstance(outer, ast.Compare)
        or (isinstance(outer, ast.Call) and last_word(outer.func) in _SHOWING)
        for use in uses
        for outer in module.scopes.ancestors(use)
    )
