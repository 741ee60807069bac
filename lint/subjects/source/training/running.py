"""The calls that run in a training step, also in functions that it calls."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..networks.defaults import kinds_in_inference, kinds_of_instance, trains_by_default
from ..reading.bindings import Kind
from ..reading.limits import STEPS_CALLED
from ..reading.nodes import Function, last_word
from ..reading.values import (
    Class,
    Known,
    Partial,
    Result,
    Routine,
    Self,
)
from ..resolving.callers import called_on, handed_in
from ..resolving.classes import calls_in, keras_kind
from ..resolving.handed import as_caller_writes
from ..resolving.handles import joined
from ..resolving.heirs import held_by
from ..resolving.lineage import method_of
from ..resolving.mapped import mapped_call
from ..resolving.members import (
    attribute_of_self,
    is_of_super,
    self_name,
)
from ..resolving.resolve import values
from ..resolving.stateless import stateless_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..reading.module import Module
    from ..reading.values import Value

Network = tuple["Module", ast.expr]


@dataclass(frozen=True)
class Running:
    """A call that runs in a training step; `shown` is in the linted module.

    `routine` is the function that it is in and `caller` what called that, if the step
    only leads to it. `instance` is the class whose methods run, if that is not the one
    that they are written in: a subclass.
    """

    module: Module
    call: ast.Call
    shown: ast.Call
    routine: Routine | None = None
    caller: Running | None = None
    instance: Class | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the call itself is in the linted module."""
        return self.shown is self.call

    def networks(self) -> Iterator[Network]:
        """Yield the network: as written, and as each caller on the way knows it."""
        yield from self.handed(self.network)
        yield from self._of_instance()
        yield from self._of_subclass()
        yield from self._of_layers()

    @property
    def network(self) -> ast.expr:
        """What is called: `net`, also in `net.stateless_call(...)`."""
        return stateless_network(self.module, self.call.func) or self.call.func

    def _of_instance(self) -> Iterator[Network]:
        """Yield `self.net` as the step knows it that runs a method: `task.net`.

        What the `call` of a layer does is not the step's concern.
        """
        if self.routine is None or self._is_in_call():
            return
        name = attribute_of_self(self.network, self_name(self.routine.node))
        caller = self.caller
        while name is not None and caller is not None:
            called = caller.call.func
            if not isinstance(called, ast.Attribute):
                return
            me = None if caller.routine is None else self_name(caller.routine.node)
            if not (isinstance(called.value, ast.Name) and called.value.id == me):
                known = ast.Attribute(called.value, name, ast.Load())
                yield caller.module, ast.copy_location(known, called)
                return
            caller = caller.caller

    def _of_subclass(self) -> Iterator[Network]:
        """Yield what the subclass gives `self.net`, or is itself given for it."""
        if self.instance is not None and not self._is_in_call():
            name = self._own_name(self.network)
            yield from () if name is None else held_by(self.instance, name)

    def _of_layers(self) -> Iterator[Network]:
        """Yield the network whose layers are run in `for layer in net.layers`."""
        name = self.network
        found = self.module.scopes.lookup(name) if isinstance(name, ast.Name) else None
        for binding in found[1] if found else ():
            match binding.kind, binding.node:
                case Kind.ITEM, ast.Attribute(value=network, attr="layers"):
                    yield from self.handed(network)

    def _own_name(self, expression: ast.expr) -> str | None:
        """`name` if the expression is `self.name`, in a method."""
        me = self._me()
        return None if me is None else attribute_of_self(expression, me)

    def is_of_instance(self, expression: ast.expr) -> bool:
        """Whether an expression is `self`, in a method."""
        return isinstance(expression, ast.Name) and expression.id == self._me()

    def _me(self) -> str | None:
        """The name of the instance, in the method around."""
        for outer in self.module.scopes.ancestors(self.call.func):
            if isinstance(outer, Function) and self.module.owner_of(outer) is not None:
                return self_name(outer)
        return None

    def runs(self) -> Iterator[Value]:
        """Yield what may be called; of `self.loss()`, what the subclass makes of it."""
        name = None if self.instance is None else self._own_name(self.call.func)
        if self.instance is not None and name is not None:
            method = method_of(self.instance, name)
            if method is not None:
                yield method
                return
        yield from called_on(self.module, self.call.func)

    def passes_instance(self) -> Class | None:
        """The class of the instance, if it is called on that: `self.loss()`."""
        if self.instance is None:
            return None
        function = self.call.func
        is_own = self._own_name(function) is not None or is_of_super(function)
        return self.instance if is_own else None

    def handed(self, name: ast.expr) -> Iterator[Network]:
        """Yield what is written in the call, and what each caller passes for it.

        `self.encoder`, in a method that is run as `net.encode(x)`, is `net.encoder`.
        """
        yield self.module, name
        step = self
        while step.routine and step.caller:
            caller = step.caller
            passed = as_caller_writes(caller.module, caller.call, step.routine, name)
            if passed is None:
                return
            yield caller.module, passed
            step, name = caller, passed

    def _is_in_call(self) -> bool:
        name = "" if self.routine is None else getattr(self.routine.node, "name", "")
        above = self.caller is not None and self.caller._is_in_call()
        return name in ("call", "__call__") or above


def running(
    module: Module,
    body: Iterable[ast.AST],
    own_tapes: bool = False,
    instance: Class | None = None,
) -> Iterator[Running]:
    """The calls in a piece of code, and in the project's functions that it calls.

    What has a tape of its own takes gradients of its own: it is left out, unless
    `own_tapes` are asked for. The code of a base class may run on an `instance` of a
    subclass.
    """
    visited: set[tuple[ast.AST, str]] = set()
    pending = [
        (Running(module, node, node, instance=instance), 0)
        for part in body
        for node in ast.walk(part)
        if isinstance(node, ast.Call)
    ]
    while pending:
        current, depth = pending.pop(0)
        current = _with_bound(current)
        yield current
        mapped = mapped_call(current.module, current.call)
        if mapped is not None:
            pending.append((replace(current, call=mapped), depth))
        for value in current.runs():
            caller = current
            if isinstance(value, Partial) and isinstance(value.function, Routine):
                caller = replace(current, call=joined(value.call, current.call))
                value = value.function
            if isinstance(value, Self | Result):
                value = _own_call(value) or value
            if not isinstance(value, Routine):
                continue
            visit = value.node, _instance(current.call)
            if visit in visited:
                continue
            visited.add(visit)
            inside = list(calls_in(value.module, value.node))
            own_tape = not own_tapes and any(
                last_word(inner.func) == "GradientTape" for inner in inside
            )
            if depth < STEPS_CALLED and not own_tape:
                on = current.passes_instance()
                for inner in inside:
                    shown = inner if value.module is module else current.shown
                    step = Running(value.module, inner, shown, value, caller, on)
                    pending.append((step, depth + 1))


def _with_bound(run: Running) -> Running:
    """The call with what `partial(net, training=False)` binds, if that is called."""
    for value in values(run.module, run.call.func):
        if isinstance(value, Partial) and isinstance(value.function, Self | Result):
            return replace(run, call=joined(value.call, run.call))
    return run


def _instance(call: ast.Call) -> str:
    """What a method is called on, as written: the same method may run on another."""
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def trained_kinds(run: Running) -> Iterator[tuple[Network, frozenset[str]]]:
    """Yield each network that a call may run, and what it holds that needs a phase."""
    for network in run.networks():
        kinds = kinds_of_network(network)
        cls = run.instance
        if cls and run.is_of_instance(network[1]) and _is_network(Self(cls)):
            kinds |= kinds_of_instance(cls)
        yield network, kinds


def kinds_of_network(network: Network) -> frozenset[str]:
    """Return what a Keras network holds that does not train when called by itself."""
    kinds: frozenset[str] = frozenset()
    for module, expression in (network, *handed_in(*network)):
        known = map(_unbound, values(module, expression))
        found = [value for value in known if _is_network(value)]
        lost = [value for value in found if not _is_in_training(value)]
        if found and len(lost) == len(found):
            kinds |= kinds_in_inference(module, expression)
            continue
        for value in lost:  # the alternatives that need a flag
            if isinstance(value, Result):
                kinds |= kinds_in_inference(value.module, value.call)
    return kinds


def _unbound(value: Value) -> Value:
    """The network behind `functools.partial(net, ...)`."""
    return value.function if isinstance(value, Partial) else value


def _own_call(instance: Self | Result) -> Routine | None:
    """What a call of a class of the project runs, if that is not Keras' `__call__`.

    That is its own `__call__`, or the `forward` of a module of PyTorch.
    """
    cls = instance.cls if isinstance(instance, Self) else instance.maker
    if not isinstance(cls, Class):
        return None
    own = method_of(cls, "__call__")
    return method_of(cls, "forward") if own is None and not keras_kind(cls) else own


def _is_network(value: object) -> bool:
    match value:
        case Result(maker=Known(name)):
            return name.startswith(("keras.", "kerasbn."))
        case Self(cls) | Result(maker=Class() as cls):
            return keras_kind(cls) is not None and method_of(cls, "__call__") is None
    return False


def _is_in_training(network: object) -> bool:
    """Whether it trains when it is called without a phase."""
    match network:
        case Self(cls) | Result(maker=Class() as cls):
            return trains_by_default(cls)
    return False
