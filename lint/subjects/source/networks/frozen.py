"""Networks and layers that a module freezes with `trainable = False`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading import hints
from ..reading.memo import remembered
from ..reading.nodes import last_word
from .freezings import spares_batch_norm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


@remembered
def freezes(module: Module) -> Freezes:
    """Return what the module freezes."""
    return Freezes(module)


class Freezes:
    """The `x.trainable = ...` assignments of one module.

    Networks are identified by the last word of their name (`base` of `self.base`),
    which is coarse on purpose: what may be frozen is left alone.
    """

    def __init__(self, module: Module):
        self.frozen: set[str] = set()
        self.released: set[str] = set()
        self._lines_of_self: list[int] = []
        self._last: dict[str, int] = {}
        last_release: dict[str, int] = {}
        for name, value in _settings(module):
            if name == "self":
                self._lines_of_self.append(value.lineno)
            is_true = isinstance(value, ast.Constant) and value.value is True
            if name and not is_true:
                self._last[name] = max(value.lineno, self._last.get(name, 0))
            if name:
                (self.released if is_true else self.frozen).add(name)
            if name and is_true:
                last_release[name] = max(value.lineno, last_release.get(name, 0))
        # In what is unfrozen but for batch normalization, that stays frozen.
        for name, value in _kept(module) if self.released else ():
            if value.lineno > last_release.get(name, 0):
                self.released.discard(name)

    def covers(self, expression: ast.expr) -> bool:
        """Whether the module freezes, perhaps not permanently, what is named here."""
        return _frozen_name(expression) in self.frozen

    def covers_after(self, expression: ast.expr, node: ast.AST) -> bool:
        """Whether the module freezes what is named here below a statement."""
        after: int = getattr(node, "end_lineno", 0)
        return self._last.get(_frozen_name(expression), 0) > after

    def covers_self_in(self, node: ast.ClassDef) -> bool:
        """Whether a class freezes something of itself, whatever that is."""
        last = node.end_lineno or node.lineno
        return any(node.lineno <= line <= last for line in self._lines_of_self)

    def for_good(self, expression: ast.expr) -> bool:
        """Whether it freezes it and never unfreezes it again."""
        name = _frozen_name(expression)
        return name in self.frozen and name not in self.released


def _settings(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """The names of what is frozen or unfrozen, each with the value it is given."""
    for node in module.scopes.of(ast.Assign, ast.Call):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Attribute) and target.attr == "trainable":
                        yield from _one_setting(module, node, target.value, value)
            case ast.Call(
                func=ast.Name(id="setattr"),
                args=[base, ast.Constant(value="trainable"), value],
            ):
                yield from _one_setting(module, node, base, value)
            case ast.Call() if hints.freezes(last_word(node.func)):
                # What such a helper does exactly is not checked.
                handed = [*node.args, *(keyword.value for keyword in node.keywords)]
                if not handed and isinstance(node.func, ast.Attribute):
                    handed.append(node.func.value)
                for argument in handed:
                    yield _frozen_name(argument), node


def _kept(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """The networks of which a loop freezes all batch normalization."""
    for node in module.scopes.of(ast.Assign):
        match node:
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name() as layer, attr="trainable")],
                value=value,
            ) if _freezes_batch_norm(module.scopes.parents.get(node), node, value):
                loop = module.scopes.loop_of(layer)
                if loop is not None and not _is_of_some(loop.iter):
                    yield _frozen_name(loop.iter), value


def _freezes_batch_norm(
    condition: ast.AST | None, node: ast.Assign, value: ast.expr
) -> bool:
    """`if isinstance(layer, BatchNormalization): ... = False`, also with `or`.

    Or `layer.trainable = not isinstance(layer, BatchNormalization)`.
    """
    match condition, value:
        case _, ast.UnaryOp(op=ast.Not(), operand=asked):
            return _asks_for_batch_norm(asked)
        case ast.If(test=test, body=body), ast.Constant(value=False) if node in body:
            return any(map(_asks_for_batch_norm, _alternatives(test)))
    return False


def _alternatives(test: ast.expr) -> list[ast.expr]:
    match test:
        case ast.BoolOp(op=ast.Or(), values=tests):
            return tests
    return [test]


def _asks_for_batch_norm(test: ast.expr) -> bool:
    match test:
        case ast.Call(func=ast.Name(id="isinstance")):
            return "BatchNorm" in ast.unparse(test)
    return False


def _is_of_some(layers: ast.expr) -> bool:
    """Whether a loop goes through some of the layers: `base.layers[50:]`."""
    return any(isinstance(node, ast.Subscript) for node in ast.walk(layers))


def _one_setting(
    module: Module, node: ast.AST, base: ast.expr, value: ast.expr
) -> Iterator[tuple[str, ast.expr]]:
    condition = module.scopes.parents.get(node)
    if isinstance(value, ast.Constant) and value.value and spares_batch_norm(condition):
        return  # what learns or not there is not batch normalization
    yield _frozen_name(base), value
    for loop in module.scopes.ancestors(node):
        if isinstance(loop, ast.For):
            yield _frozen_name(loop.iter), value


def _frozen_name(expression: ast.expr) -> str:
    """`base` of `self.base`, `base.layers[:-4]` and `enumerate(base.layers)`."""
    while True:
        match expression:
            case ast.Subscript(value=inner):
                expression = inner
            case ast.Attribute(value=inner, attr="layers" | "_layers"):
                expression = inner
            case ast.Attribute(attr=name) | ast.Name(id=name):
                return name
            case ast.Call(args=[inner, *_]) | ast.Call(func=inner):
                expression = inner
            case _:
                return ""
