"""Kinds of Keras' layers as they are made: at a rate of 0 nothing is dropped."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.nodes import last_word
from ..reading.values import Known
from ..resolving.classes import keyword
from ..resolving.comparisons import Other
from ..resolving.conditions import conditions_of
from ..resolving.resolve import values
from ..resolving.saying import FLAG
from ..resolving.switches import constants_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module
    from ..reading.nodes import Function
    from ..resolving.runs import Run


# Functions that choose between tensors, by the phase or otherwise.
_CHOOSING = ("in_train_phase", "in_test_phase", "smart_cond", "cond", "where", "switch")
# Whose recurrent, attention and transformer layers take a rate, which is 0 by default.
_WITH_DROPOUT = ("keras.layers.", "keras_hub.layers.", "keras_nlp.layers.")
# Functions that drop, and random numbers of which a mask may be made.
_DROPS = re.compile(r"(tensorflow\.nn|keras\.random|keras\.backend)\.dropout$")
_RANDOM = re.compile(
    r"(tensorflow\.random|keras\.random|keras\.backend)\."
    r"(random_|stateless_)?(uniform|bernoulli|binomial)$"
)
_DROPPING = (
    *("dropout", "uniform", "bernoulli", "binomial", "random_uniform"),
    *("random_bernoulli", "random_binomial", "stateless_uniform"),
)
_NAMED_FOR_IT = re.compile(r"drop|stochastic_?depth", re.IGNORECASE)


def kinds_made(
    module: Module, name: str, call: ast.Call, run: Run | None, literally: bool
) -> frozenset[str]:
    """Return the kinds of a layer of that name, as the call makes it.

    `literally` says that only a rate that is written there as 0 counts as 0.
    """
    if _never_drops(module, name, call, run, literally):
        return frozenset()
    if _drops_inside(module, name, call, run):
        return names.kinds_named(name) | {names.DROPOUT}
    return names.kinds_named(name)


def _never_drops(
    module: Module, name: str, call: ast.Call, run: Run | None, literally: bool
) -> bool:
    """Whether it is dropout or noise with a rate of 0; or, literally, with that 0."""
    if not names.kinds_named(name) & {names.DROPOUT, names.NOISE}:
        return False
    given = [*call.args[:1], *(argument.value for argument in call.keywords[:1])][:1]
    if not given or (literally and not isinstance(given[0], ast.Constant)):
        return False
    found = constants_of(module, given[0], run)
    # None stands for no such layer: where one is made, it is another number.
    known = [value for value in found if value not in (None, *Other)]
    return bool(known) and not any(known)


def _drops_inside(module: Module, name: str, call: ast.Call, run: Run | None) -> bool:
    """Whether a recurrent or attention layer drops, which it does only if asked to."""
    if not name.startswith(_WITH_DROPOUT):
        return False
    for argument in ("dropout", "recurrent_dropout"):
        given = keyword(call, argument)
        if given is not None and any(
            isinstance(rate, float) and rate > 0
            for rate in constants_of(module, given, run)
        ):
            return True
    return False


def drops_by_flag(module: Module, call: ast.Call, run: Run | None) -> bool:
    """Whether a `call` drops with a function, or with random numbers, in training.

    The latter only in a class that is named for it, such as DropPath.
    """
    if last_word(call.func) not in _DROPPING or not _is_asked(module, call):
        return False
    known = [one.name for one in values(module, call.func) if isinstance(one, Known)]
    if any(map(_DROPS.match, known)):
        rate = keyword(call, "rate") or (call.args[1] if len(call.args) > 1 else None)
        found = [] if rate is None else constants_of(module, rate, run)
        return not found or any(isinstance(one, Other) or one for one in found)
    owner = module.scopes.enclosing_class(call)
    return (
        owner is not None
        and _NAMED_FOR_IT.search(owner.name) is not None
        and any(map(_RANDOM.match, known))
    )


def _is_asked(module: Module, call: ast.Call) -> bool:
    """Whether a condition on the flag of `call` leads there, or leads away before.

    Or a function that chooses by the flag.
    """
    tests: list[ast.AST] = [test for test, _ in conditions_of(module, call)]
    tests += [
        outer
        for outer in module.scopes.ancestors(call)
        if isinstance(outer, ast.Call) and last_word(outer.func) in _CHOOSING
    ]
    return any(
        isinstance(node, ast.Name) and node.id == FLAG
        for test in tests
        for node in ast.walk(test)
    )


def is_constant_rate(module: Module, rate: ast.expr) -> bool:
    """Whether it is one number, at which something is dropped and something is kept."""
    found = constants_of(module, rate)
    return len(found) == 1 and isinstance(found[0], float) and 0 < found[0] < 1


def drops_in_every_phase(module: Module, call: ast.Call) -> bool:
    """Whether no condition leads to what it drops, nor chooses that by the phase."""
    function = module.scopes.enclosing_function(call)
    if conditions_of(module, call) or isinstance(function, ast.Lambda):
        return False
    return not any(
        _is_chosen(module, use) for use in (call, *_uses(module, call, function))
    )


def _is_chosen(module: Module, use: ast.expr) -> bool:
    """Whether a condition on the phase, or a function that chooses, is around it."""
    return any(
        hints.speaks_of_phase(ast.unparse(test))
        for test, _ in conditions_of(module, use)
    ) or any(
        isinstance(outer, ast.Call) and last_word(outer.func) in _CHOOSING
        for outer in module.scopes.ancestors(use)
    )


def _uses(
    module: Module, call: ast.Call, function: Function | None
) -> Iterator[ast.Name]:
    """Where its function reads the name that the result gets, if that is a new one."""
    match module.scopes.parents.get(call):
        case ast.Assign(targets=[ast.Name(id=given)]) if function is not None:
            named = [
                node
                for node in ast.walk(function)
                if isinstance(node, ast.Name) and node.id == given
            ]
            if not any(call in module.scopes.ancestors(node) for node in named):
                yield from named
