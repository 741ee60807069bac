"""Networks and layers that a module freezes with `trainable = False`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from ..reading import hints
from ..reading.memo import remembered
from ..reading.nodes import arguments_of, last_word
from ..reading.values import parameters
from ..resolving.local_calls import calls_of
from .freezings import constant_of, settings, spares_batch_norm
from .kept_frozen import frozen_name, kept_frozen
from .layers_of import layers_passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module


@remembered
def freezes(module: Module) -> Freezes:
    """Return what the module freezes."""
    return Freezes(module)


class _Setting(NamedTuple):
    """A value that `trainable` of a network gets.

    Attributes:
        name: the last word of the network's name.
        value: what it gets, or the call that sees to it.
        releases: whether that is surely True.
        loop: the loop around it, if it is a network itself, not its layers.
    """

    name: str
    value: ast.expr
    releases: bool = False
    loop: ast.For | None = None


class Freezes:
    """The `x.trainable = ...` assignments of one module.

    Networks are identified by the last word of their name (`base` of `self.base`),
    which is coarse on purpose: what may be frozen is left alone.
    """

    def __init__(self, module: Module):
        known = [setting for setting in _settings(module) if setting.name]
        releasing = [setting for setting in known if setting.releases]
        freezing = [setting for setting in known if not setting.releases]
        self._of_self = [one.value.lineno for one in known if one.name == "self"]
        self._toggled = _in_loops(freezing) & _in_loops(releasing)
        # The last line of each.
        self._frozen = _last_lines(freezing)
        self._released = _last_lines(releasing)
        for name, line in kept_frozen(module) if releasing else ():
            if line > self._released.get(name, line):
                del self._released[name]

    @property
    def anything(self) -> bool:
        """Whether the module freezes anything."""
        return bool(self._frozen)

    def covers(self, expression: ast.expr) -> bool:
        """Whether the module freezes, perhaps not permanently, what is named here."""
        return frozen_name(expression) in self._frozen

    def covers_after(self, expression: ast.expr, node: ast.AST) -> bool:
        """Whether the module freezes what is named here below a statement."""
        after: int = getattr(node, "end_lineno", 0)
        return self._frozen.get(frozen_name(expression), 0) > after

    def covers_self_in(self, node: ast.ClassDef) -> bool:
        """Whether a class freezes something of itself, whatever that is."""
        last = node.end_lineno or node.lineno
        return any(node.lineno <= line <= last for line in self._of_self)

    def toggles(self, expression: ast.expr) -> bool:
        """Whether a loop freezes a network and lets it train again in each round."""
        return frozen_name(expression) in {name for name, _ in self._toggled}

    def for_good(self, expression: ast.expr) -> bool:
        """Whether it freezes it and never unfreezes it again."""
        name = frozen_name(expression)
        return name in self._frozen and name not in self._released


def _last_lines(settings: list[_Setting]) -> dict[str, int]:
    found: dict[str, int] = {}
    for setting in settings:
        line = setting.value.lineno
        found[setting.name] = max(line, found.get(setting.name, 0))
    return found


def _in_loops(settings: list[_Setting]) -> set[tuple[str, ast.For]]:
    return {(one.name, one.loop) for one in settings if one.loop is not None}


def _settings(module: Module) -> Iterator[_Setting]:
    for node, base, value in settings(module):
        yield from _one_setting(module, node, base, value)
        yield from _by_walking(module, node, base, value)
    for call in module.calls:
        if hints.freezes(last_word(call.func)):
            # What such a helper does exactly is not checked.
            handed = [*call.args, *(keyword.value for keyword in call.keywords)]
            if not handed and isinstance(call.func, ast.Attribute):
                handed.append(call.func.value)
            for argument in handed:
                yield _Setting(frozen_name(argument), call)


def _one_setting(
    module: Module, node: ast.AST, base: ast.expr, value: ast.expr
) -> Iterator[_Setting]:
    releases = constant_of(module, value) is True
    if releases and spares_batch_norm(module.scopes.parents.get(node)):
        return  # what learns or not there is not batch normalization
    name = frozen_name(base)
    loops = [
        each for each in module.scopes.ancestors(node) if isinstance(each, ast.For)
    ]
    is_whole = bool(loops) and last_word(base) == name
    yield _Setting(name, value, releases, loops[0] if is_whole else None)
    for loop in loops:
        yield _Setting(frozen_name(loop.iter), value, releases)
    for layers in layers_passed(module, base) if isinstance(base, ast.Name) else ():
        yield _Setting(frozen_name(layers.network), value, releases)


def _by_walking(
    module: Module, node: ast.AST, base: ast.expr, value: ast.expr
) -> Iterator[_Setting]:
    """What callers pass to a function that freezes layers as it comes upon them.

    It has no name for the network itself: it takes each layer from a stack, say.
    """
    function = module.scopes.enclosing_function(node)
    if (
        function is None
        or constant_of(module, value) is not False
        or not isinstance(base, ast.Name)
        or base.id in parameters(function)
        or any(layers_passed(module, base))
        or len(arguments_of(function)) != 1
    ):
        return
    for call, _ in calls_of(module, function):
        for argument in call.args:
            yield _Setting(frozen_name(argument), call)
