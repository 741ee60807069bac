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
        self._in_loops: dict[bool, set[tuple[str, ast.AST]]] = {
            True: set(),
            False: set(),
        }
        self._lines_of_self: list[int] = []
        self._last: dict[str, int] = {}
        for name, value, loop in _settings(module):
            if name == "self":
                self._lines_of_self.append(value.lineno)
            is_true = isinstance(value, ast.Constant) and value.value is True
            if name and not is_true:
                self._last[name] = max(value.lineno, self._last.get(name, 0))
            if name:
                (self.released if is_true else self.frozen).add(name)
            if loop is not None:
                self._in_loops[is_true].add((name, loop))

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

    def toggles(self, expression: ast.expr) -> bool:
        """Whether a loop freezes a network and lets it train again in each round."""
        both = self._in_loops[True] & self._in_loops[False]
        return _frozen_name(expression) in {name for name, _ in both}

    def for_good(self, expression: ast.expr) -> bool:
        """Whether it freezes it and never unfreezes it again."""
        name = _frozen_name(expression)
        return name in self.frozen and name not in self.released


def _settings(module: Module) -> Iterator[tuple[str, ast.expr, ast.For | None]]:
    """The names of what is frozen or unfrozen, each with the value it is given.

    The last of each is the loop around it, if it is a network itself, not its layers.
    """
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
                    yield _frozen_name(argument), node, None


def _one_setting(
    module: Module, node: ast.AST, base: ast.expr, value: ast.expr
) -> Iterator[tuple[str, ast.expr, ast.For | None]]:
    condition = module.scopes.parents.get(node)
    if isinstance(value, ast.Constant) and value.value and spares_batch_norm(condition):
        return  # what learns or not there is not batch normalization
    name = _frozen_name(base)
    loops = [
        each for each in module.scopes.ancestors(node) if isinstance(each, ast.For)
    ]
    yield name, value, loops[0] if loops and last_word(base) == name else None
    for loop in loops:
        yield _frozen_name(loop.iter), value, None


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
