"""Rates and momenta that are set after a model was fitted, and not compiled again.

The training function is made at the first training, from the numbers that the layers
had then.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.keras_versions import backend
from ..reading.nodes import start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_NUMBERS = ("rate", "momentum", "stddev")
_FITTING = ("fit", "fit_generator", "train_on_batch")
_COMPILING = ("compile", "make_train_function", "clone_model", "from_config")


def late_rates(module: Module) -> Iterator[ast.Assign]:
    """Yield each `layer.rate = ...` of a model between two fits of it.

    With `run_eagerly`, and in PyTorch, there is no such function.
    """
    if (
        not any(f".{name} =" in module.text for name in _NUMBERS)
        or module.mentions("run_eagerly", "run_functions_eagerly")
        or backend(module) == "torch"
        or module.is_test
    ):
        return
    for node in module.scopes.of(ast.Assign):
        match node.targets:
            case [ast.Attribute(value=layer, attr=name)] if name in _NUMBERS:
                model = _model_of(module, node, layer)
                if model is not None and _is_between_fits(module, node, model):
                    yield node


def _model_of(module: Module, node: ast.AST, layer: ast.expr) -> str | None:
    """The model, as written, of `model.layers[2]`, of a loop or of `get_layer`."""
    for loop in module.scopes.ancestors(node):
        if (
            isinstance(loop, ast.For)
            and isinstance(layer, ast.Name)
            and ast.unparse(loop.target) in (layer.id, f"(_, {layer.id})")
        ):
            layer = loop.iter
    match layer:
        case (
            ast.Attribute(value=model, attr="layers")
            | ast.Subscript(value=ast.Attribute(value=model, attr="layers"))
            | ast.Call(func=ast.Attribute(value=model, attr="get_layer"))
        ):
            return ast.unparse(model)
    return None


def _is_between_fits(module: Module, node: ast.Assign, model: str) -> bool:
    """Whether the model is fitted before and after it, and not compiled between."""
    scope = module.scopes.scope_of(node)

    def places(words: tuple[str, ...], name: str | None) -> list[tuple[int, int]]:
        return [
            start(call)
            for word in words
            for call in module.calls_by_name.get(word, ())
            if module.scopes.scope_of(call) is scope
            and isinstance(call.func, ast.Attribute | ast.Name)
            and (
                name is None
                or (
                    isinstance(call.func, ast.Attribute)
                    and ast.unparse(call.func.value) == name
                )
            )
        ]

    here = start(node)
    fits = places(_FITTING, model)
    before = [place for place in fits if place < here]
    after = [place for place in fits if place > here]
    if not before or not after:
        return False
    again = (*places(_COMPILING, None), *_rebound(module, model))
    return not any(max(before) < place < min(after) for place in again)


def _rebound(module: Module, model: str) -> Iterator[tuple[int, int]]:
    """Where the model gets another value."""
    for node in module.scopes.of(ast.Assign):
        if any(ast.unparse(target) == model for target in node.targets):
            yield start(node)
