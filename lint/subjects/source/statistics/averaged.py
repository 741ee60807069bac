"""Averages of weights that are evaluated with the statistics of the last weights."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..reading import hints
from ..reading.bindings import Kind
from ..reading.nodes import last_word
from ..reading.reach import may_reach
from ..reading.values import Items, Known, Literal, Result, Routine, dict_entries
from ..resolving.classes import calls_in, keyword
from ..resolving.resolve import values
from ..resolving.saying import says
from ..resolving.switches import constants_of
from ..training.trained import places
from .copied_weights import owner_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.values import Value

_SIGNS = ("use_ema", "EMA", "SWA", "MovingAverage", "AverageModel")
_AVERAGING = re.compile(
    r"keras\.callbacks\.SwapEMAWeights$"
    r"|tensorflow_addons\.optimizers\.(SWA|MovingAverage)$"
    r"|tensorflow_addons\.callbacks\.AverageModelCheckpoint$"
)
_OPTIMIZER = re.compile(r"keras\.optimizers\.")
_TRAINING = ("fit", "fit_generator", "compile")
_BY_CONFIGURATION = ("get", "deserialize")
_WRITING = ("finalize_variable_values",)
_STEPPING = ("apply_gradients", "apply")
# Functions that estimate the statistics again, by name.
_ESTIMATES = re.compile(
    r"\b(recalibrat\w*|re_?estimat\w*|update_bn|(adapt|refresh|reset)_\w*(bn|batch_?norm"
    r"|stat)\w*)\b",
    re.IGNORECASE,
)


def averaged_weights(module: Module) -> Iterator[ast.Call]:
    """Yield the first optimizer or callback that averages weights, of each network."""
    here = module.mentions(*_SIGNS)
    if not here and not may_reach(module, _speaks_of_averages):
        return
    if estimates_again(module):
        return
    if not here:
        yield from _compiled_with_averages(module)
    known: set[tuple[object, ...]] = set()
    for call in module.calls if here else filter(_hands_options_on, module.calls):
        if _averages(module, call):
            averaged = set(_networks_given(module, call))
            if averaged - known:
                yield call
            known |= averaged


def _hands_options_on(call: ast.Call) -> bool:
    """Whether it may be given `use_ema` without naming it."""
    return last_word(call.func) in _BY_CONFIGURATION or any(
        argument.arg is None for argument in call.keywords
    )


def _compiled_with_averages(module: Module) -> Iterator[ast.Call]:
    """Each `compile` of a network with BN with an optimizer that another file makes."""
    for call in module.calls_by_name.get("compile", ()):
        optimizer = keyword(call, "optimizer") or next(iter(call.args), None)
        if optimizer is None or not isinstance(call.func, ast.Attribute):
            continue
        if names.BATCH_NORM in kinds_held(module, call.func.value) and any(
            isinstance(made, Result)
            and made.module is not module
            and any(map(_is_optimizer, values(made.module, made.call.func)))
            and any(
                constants_of(*given) == [True]
                for given in _given(made.module, made.call, "use_ema")
            )
            for made in values(module, optimizer)
        ):
            yield call


def _is_optimizer(value: Value) -> bool:
    return isinstance(value, Known) and _OPTIMIZER.match(value.name) is not None


def _speaks_of_averages(text: str) -> bool:
    return "use_ema" in text


def estimates_again(module: Module) -> bool:
    """Whether something in the module may estimate the statistics again."""
    return module.matches(_ESTIMATES) or _runs_in_training_mode(module)


def _averages(module: Module, call: ast.Call) -> bool:
    on = any(
        isinstance(value, Literal) and value.value is True
        for where, given in _given(module, call, "use_ema")
        for value in values(where, given)
    )
    return any(
        (isinstance(value, Known) and _AVERAGING.match(value.name) is not None)
        or (on and _makes_optimizer(value))
        for value in values(module, call.func)
    )


def _makes_optimizer(value: Value) -> bool:
    """Whether it is an optimizer, or a function that hands its `**options` to one."""
    if _is_optimizer(value):
        return True
    if not isinstance(value, Routine) or value.node.args.kwarg is None:
        return False
    options = value.node.args.kwarg.arg
    return any(
        argument.arg is None
        and ast.unparse(argument.value) == options
        and any(
            isinstance(made, Known) and _OPTIMIZER.match(made.name)
            for made in values(value.module, call.func)
        )
        for call in calls_in(value.module, value.node)
        for argument in call.keywords
    )


def _given(
    module: Module, call: ast.Call, name: str
) -> Iterator[tuple[Module, ast.expr]]:
    """The value of an argument, also of one in `**options` or in a configuration."""
    if last_word(call.func) in _BY_CONFIGURATION and call.args:
        for where, config in _entries(module, call.args[0], "config"):
            yield from _entries(where, config, name)
    for argument in call.keywords:
        if argument.arg == name:
            yield module, argument.value
        elif argument.arg is None:
            yield from _entries(module, argument.value, name)


def _entries(
    module: Module, settings: ast.expr, name: str
) -> Iterator[tuple[Module, ast.expr]]:
    """The entries of that name in the dicts that an expression may be."""
    for value in values(module, settings):
        if isinstance(value, Items):
            given = dict_entries(value).get(name)
            if given is not None:
                yield value.module, given


def _networks_given(module: Module, made: ast.Call) -> Iterator[tuple[object, ...]]:
    """The networks with BN that are compiled or fitted with the result."""
    for word in _TRAINING:
        for call in module.calls_by_name.get(word, ()):
            given = [*call.args, *(argument.value for argument in call.keywords)]
            if not isinstance(call.func, ast.Attribute) or not any(
                _leads_to(module, argument, made) for argument in given
            ):
                continue
            if names.BATCH_NORM in kinds_held(module, call.func.value):
                yield from places(module, call.func.value)
    for network in _written_to(module, made):
        yield from places(module, network)


def _written_to(module: Module, made: ast.Call) -> Iterator[ast.expr]:
    """The networks with BN to which a loop lets the optimizer write its averages.

    `finalize_variable_values` does; from time to time also each step, if asked to.
    """
    writing: tuple[str, ...] = _WRITING
    if keyword(made, "ema_overwrite_frequency") is not None:
        writing = (*_WRITING, *_STEPPING)
    for word in writing:
        for call in module.calls_by_name.get(word, ()):
            if isinstance(call.func, ast.Attribute) and _leads_to(
                module, call.func.value, made
            ):
                for given in (*call.args, *(word.value for word in call.keywords)):
                    for network in _trained_by(module, given):
                        if names.BATCH_NORM in kinds_held(module, network):
                            yield network


def _trained_by(module: Module, given: ast.expr) -> Iterator[ast.expr]:
    """The networks of variables, also of those in `zip(gradients, variables)`."""
    for part in (given, *(given.args if isinstance(given, ast.Call) else ())):
        network = owner_of(module, part)
        if network is not None:
            yield network


def _leads_to(module: Module, expression: ast.expr, made: ast.Call) -> bool:
    for node in ast.walk(expression):
        if node is made:
            return True
        if isinstance(node, ast.Name):
            found = module.scopes.lookup(node)
            for binding in found[1] if found else ():
                if binding.kind is Kind.VALUE and made in ast.walk(binding.node):
                    return True
        if isinstance(node, ast.Name | ast.Attribute | ast.Call) and any(
            isinstance(value, Result) and value.call is made
            for value in values(module, node)
        ):
            return True
    return False


def _runs_in_training_mode(module: Module) -> bool:
    """Whether a network is called for its statistics alone, with `training=True`."""
    return any(
        _is_dropped(module, call) and says(module, call).is_constant(True)
        for call in module.calls
        if call.keywords
    )


def _is_dropped(module: Module, call: ast.Call) -> bool:
    """Whether nothing reads its result: alone, or as in `_ = net(x)`."""
    match module.scopes.parents.get(call):
        case ast.Expr():
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):
            return hints.is_put_aside(name)
    return False
