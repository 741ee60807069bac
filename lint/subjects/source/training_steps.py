"""Custom training steps, and the calls of a network in them that lose `training`."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import names
from .classes import calls_in, keras_kind, keyword, unpacks_keywords
from .contents import holds
from .identity import is_part_of
from .resolve import calls_of, method_of, values
from .scopes import Function, Kind, last_word
from .values import Class, Known, Result, Routine, Self, argument_for, default_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .module import Module

_APPLYING = ("apply_gradients", "minimize", "apply", "stateless_apply", "apply_updates")
_VARIABLES = (
    *("trainable_variables", "trainable_weights", "variables", "weights"),
    "parameters",
)
_OTHER_FLAG = re.compile(r"train|phase|mode|infer", re.I)
_DEEPEST = 3
_MOST_VISITS = 300


@dataclass(frozen=True)
class LostFlag:
    """A call of a network with BN, in a training step, without `training`.

    Attributes:
        node: where in the module; the call itself, or the one that leads to it.
        called: what is called, as written.
        how: what makes it a training step.
        is_call: whether `node` is that call itself.
        shared: whether it is in a function that may also run outside of training.
    """

    node: ast.Call
    called: str
    how: str
    is_call: bool = True
    shared: bool = False


@dataclass(frozen=True)
class _Call:
    """A call that runs in a training step.

    `shown` stands in the linted module; `depth` counts the functions in between.
    """

    module: Module
    call: ast.Call
    shown: ast.Call
    depth: int = 0

    @property
    def is_shown(self) -> bool:
        return self.shown is self.call


def lost_flags(module: Module) -> Iterator[LostFlag]:
    """Every call in a training step that leaves out `training`."""
    steps = ("GradientTape", "minimize", "stateless_call", "backward")
    if not module.mentions(*steps) or module.mentions("set_learning_phase("):
        return
    found = [
        *_under_tapes(module),
        *_minimised(module),
        *_in_jax(module),
        *_before_backward(module),
    ]
    seen = set()
    for flag in found:
        if flag.node not in seen:
            seen.add(flag.node)
            yield flag


# TensorFlow: what runs under a tape whose gradients an optimizer applies.


def _under_tapes(module: Module) -> Iterator[LostFlag]:
    if not module.mentions("GradientTape"):
        return
    for node in module.scopes.nodes:
        if not isinstance(node, ast.With):
            continue
        tapes = {
            each.optional_vars.id
            for each in node.items
            if isinstance(each.optional_vars, ast.Name) and _is_tape(module, each)
        }
        if tapes:
            sources = _trained(module, node, tapes)
            if sources is not None:
                how = "under GradientTape"
                yield from _lost(module, node, node.body, sources, how)


def _minimised(module: Module) -> Iterator[LostFlag]:
    """What `optimizer.minimize` calls to get its loss."""
    for call in module.calls_by_name.get("minimize", ()):
        variables = [*call.args[1:2], *_given(call, "var_list")]
        for value in values(module, call.args[0]) if call.args else ():
            if isinstance(value, Routine) and value.module is module and variables:
                yield from _lost(module, call, [value.node], variables, "in a loss")


def _is_tape(module: Module, item: ast.withitem) -> bool:
    made = item.context_expr
    return (
        isinstance(made, ast.Call)
        and last_word(made.func) == "GradientTape"
        and Known("tensorflow.GradientTape") in values(module, made.func)
    )


def _trained(module: Module, node: ast.With, tapes: set[str]) -> list[ast.expr] | None:
    """What the tape's gradients are taken for, if an optimizer applies them."""
    function = module.scopes.enclosing_function(node)
    calls = module.calls if function is None else list(calls_in(module, function))
    sources = []
    for call in calls:
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=tape), attr="gradient")
            ) if tape in tapes:
                sources += [*call.args[1:2], *_given(call, "sources")]
            case ast.Call(func=ast.Attribute(attr="minimize")):
                if ast.unparse(keyword(call, "tape") or call) in tapes:
                    sources += [*call.args[1:2], *_given(call, "var_list")]
    applied = any(last_word(call.func) in _APPLYING for call in calls)
    if not applied and isinstance(function, ast.FunctionDef):
        # The gradients may be returned to whoever applies them.
        applied = bool(module.returns_of(function)) and _applies_somewhere(module)
    return sources if applied and sources else None


def _given(call: ast.Call, name: str) -> list[ast.expr]:
    value = keyword(call, name)
    return [] if value is None else [value]


def _applies_somewhere(module: Module) -> bool:
    return any(word in module.calls_by_name for word in _APPLYING)


def _lost(
    module: Module,
    step: ast.AST,
    body: Iterable[ast.AST],
    sources: list[ast.expr],
    how: str,
) -> Iterator[LostFlag]:
    owners = [owner for source in sources for owner in _owners(module, source, set())]
    if not owners:
        return  # gradients for an input, or for something that is not known
    running = list(_running(module, body))
    told = {
        ast.unparse(each.call.func)
        for each in running
        if keyword(each.call, "training")
    }
    for each in running:
        called = ast.unparse(each.call.func)
        if called in told or not _loses_flag(each.module, each.call):
            continue
        network = (each.module, each.call.func)
        if any(is_part_of(network, (module, owner), step) for owner in owners):
            yield LostFlag(each.shown, called, how, each.is_shown, each.depth > 0)


def _running(module: Module, body: Iterable[ast.AST]) -> Iterator[_Call]:
    """The calls in a piece of code, and in the project's functions that it calls."""
    visited: set[ast.AST] = set()
    pending = [
        _Call(module, node, node)
        for part in body
        for node in ast.walk(part)
        if isinstance(node, ast.Call)
    ]
    while pending:
        current = pending.pop(0)
        yield current
        for value in values(current.module, current.call.func):
            if not isinstance(value, Routine) or value.node in visited:
                continue
            visited.add(value.node)
            inside = list(calls_in(value.module, value.node))
            # What has a tape of its own takes gradients of its own.
            own_tape = any(last_word(inner.func) == "GradientTape" for inner in inside)
            if current.depth < _DEEPEST and not own_tape:
                for inner in inside:
                    shown = inner if value.module is module else current.shown
                    deeper = current.depth + 1
                    pending.append(_Call(value.module, inner, shown, deeper))


def _loses_flag(module: Module, call: ast.Call) -> bool:
    """Whether it calls a Keras network with BN and leaves `training` open."""
    if unpacks_keywords(call) or any(
        _OTHER_FLAG.search(each.arg or "") for each in call.keywords
    ):
        return False
    if _is_cut_off(module, call):
        return False
    networks = [each for each in values(module, call.func) if _is_network(each)]
    if not networks or names.BATCH_NORM not in holds(module, call.func):
        return False
    return not any(_is_told(each, call) for each in networks)


def _is_network(value: object) -> bool:
    match value:
        case Result(of=Known(name)):
            return name.startswith(("keras.", "kerasbn."))
        case Self(of) | Result(of=Class() as of):
            return keras_kind(of) is not None and method_of(of, "__call__") is None
    return False


def _is_told(network: object, call: ast.Call) -> bool:
    """Whether it gets its flag by position or by a default of True."""
    match network:
        case Self(of) | Result(of=Class() as of):
            routine = method_of(of, "call")
            if routine is None:
                return len(call.args) > 1
            default = default_of(routine.node, "training")
            if isinstance(default, ast.Constant) and default.value is True:
                return True
            return argument_for(call, routine.node, "training", 1) is not None
    return len(call.args) > 1


# Which networks the gradients are for.


def _owners(
    module: Module, source: ast.AST, visited: set[ast.AST]
) -> Iterator[ast.expr]:
    """`net` of every `net.trainable_variables` that the sources lead to."""
    if source in visited or len(visited) > _MOST_VISITS:
        return
    visited.add(source)
    inner: list[ast.expr] = []
    match source:
        case ast.Attribute(value=network, attr=name) if name in _VARIABLES:
            yield network
        case ast.Attribute(value=base, attr=name):
            for value in values(module, base):
                if isinstance(value, Self) and value.of.module is module:
                    inner += module.members(value.of.node).given(name)
        case ast.Name():
            inner += _bound_to(module, source)
        case _:
            for child in ast.iter_child_nodes(source):
                yield from _owners(module, child, visited)
    for each in inner:
        yield from _owners(module, each, visited)


def _bound_to(module: Module, name: ast.Name) -> Iterator[ast.expr]:
    """The expressions that a name stands for, those that callers pass among them."""
    found = module.scopes.lookup(name)
    for binding in found[1] if found else ():
        if binding.kind in (Kind.VALUE, Kind.ITEM):
            assert isinstance(binding.node, ast.expr)
            yield binding.node
        elif binding.kind is Kind.PARAMETER:
            assert isinstance(binding.place, Function)
            for call, skipped in calls_of(module, binding.place):
                passed = argument_for(call, binding.place, name.id, skipped)
                if passed is not None:
                    yield passed


def _is_cut_off(module: Module, call: ast.Call) -> bool:
    """Whether no gradient flows back through the call: `net(x).detach()`."""
    for outer in module.scopes.ancestors(call):
        if isinstance(outer, ast.stmt):
            return False
        cuts = isinstance(outer, ast.Attribute) and outer.attr in ("detach", "data")
        if cuts or _last_of_call(outer) == "stop_gradient":
            return True
    return False


def _last_of_call(node: ast.AST) -> str:
    return last_word(node.func) if isinstance(node, ast.Call) else ""


# JAX: what a differentiated function calls.


def _in_jax(module: Module) -> Iterator[LostFlag]:
    if not (module.mentions("stateless_call") and _applies_somewhere(module)):
        return
    for function in _differentiated(module):
        for each in _running(module, [function.node]):
            call = each.call
            if last_word(call.func) != "stateless_call" or len(call.args) > 3:
                continue
            assert isinstance(call.func, ast.Attribute | ast.Name)
            if keyword(call, "training") or unpacks_keywords(call):
                continue
            network = call.func.value if isinstance(call.func, ast.Attribute) else None
            if network and names.BATCH_NORM in holds(each.module, network):
                how = "in a differentiated function"
                name = getattr(function.node, "name", "")
                shared = each.depth > 0 or name in module.calls_by_name
                called = ast.unparse(call.func)
                yield LostFlag(each.shown, called, how, each.is_shown, shared)


def _differentiated(module: Module) -> Iterator[Routine]:
    """The functions given to `jax.grad` and its kin, or decorated with it."""
    for word in ("grad", "value_and_grad"):
        for call in module.calls_by_name.get(word, ()):
            for argument in call.args[:1]:
                for value in values(module, argument):
                    if isinstance(value, Routine) and value.module is module:
                        yield value
    for node in module.scopes.nodes:
        if isinstance(node, ast.FunctionDef):
            written = " ".join(ast.unparse(each) for each in node.decorator_list)
            if re.search(r"\bjax\.(value_and_)?grad\b", written):
                yield Routine(module, node)


# PyTorch: what is called before `loss.backward()`.


def _before_backward(module: Module) -> Iterator[LostFlag]:
    if not module.mentions("torch"):
        return
    for backward in module.calls_by_name.get("backward", ()):
        around = _loop_or_function(module, backward)
        inside = [
            call
            for call in module.calls
            if around is None or around in module.scopes.ancestors(call)
        ]
        if not any(last_word(call.func) in ("step", *_APPLYING) for call in inside):
            continue
        owners = list(_optimised(module, inside))
        for call in inside:
            if call.lineno >= backward.lineno or _without_gradients(module, call):
                continue
            network = (module, call.func)
            if _loses_flag(module, call) and any(
                is_part_of(network, (module, owner), backward) for owner in owners
            ):
                yield LostFlag(call, ast.unparse(call.func), "before loss.backward()")


def _optimised(module: Module, calls: list[ast.Call]) -> Iterator[ast.expr]:
    """The networks whose weights the optimizers hold that make a step here."""
    for call in calls:
        if last_word(call.func) in _APPLYING:
            for argument in call.args:
                yield from _owners(module, argument, set())
        elif last_word(call.func) == "step" and isinstance(call.func, ast.Attribute):
            for value in values(module, call.func.value):
                if isinstance(value, Result) and value.module is module:
                    for given in (*value.call.args, *value.call.keywords):
                        yield from _owners(module, given, set())


def _loop_or_function(module: Module, node: ast.AST) -> ast.AST | None:
    for outer in module.scopes.ancestors(node):
        if isinstance(outer, ast.For | ast.While | Function):
            return outer
    return None


def _without_gradients(module: Module, call: ast.Call) -> bool:
    return any(
        isinstance(outer, ast.With)
        and re.search(r"no_grad|inference_mode", ast.unparse(outer.items[0]))
        for outer in module.scopes.ancestors(call)
    )
