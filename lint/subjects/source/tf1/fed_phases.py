"""The phase that a graph of TensorFlow 1 gets: fed, by default, or when it is built.

A placeholder is known by what it is used for, or by its name.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from ... import names
from ..reading import hints
from ..reading.bindings import Binding, Kind
from ..reading.nodes import last_word
from ..reading.values import Known, Parameter, Result, argument_for
from ..resolving.local_calls import calls_of
from ..resolving.resolve import values
from ..statistics.batch_norms import batch_norm_name
from .built_flags import fixed_flags, flags_of_layers
from .session_runs import HELD_OUT, fetched, has_training_op, run_with
from .unfed_phases import never_fed, restored_unfed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_PLACEHOLDER = re.compile(r"tensorflow\.placeholder(_with_default)?$")
_SUFFIX = re.compile(r"_?(placeholder|pl|ph)$", re.IGNORECASE)
_PHASE = Known("keras.backend.learning_phase")
_TRAINS = re.compile(r"train|optim|minimi|update|step|solver", re.I)
_EVALUATING = {*HELD_OUT, "evaluate", "validate", "predict", "infer", "inference"}


class Feed(Enum):
    """What is wrong with the phase of a graph."""

    EVALUATES_IN_TRAINING = auto()
    TRAINS_IN_INFERENCE = auto()
    TRUE_BY_DEFAULT = auto()  # and nothing feeds False
    NEVER_FED = auto()  # it is False by default, and training does not feed True
    RESTORED = auto()  # with a graph that is trained, and whose phase nothing feeds
    FIXED_WHEN_BUILT = auto()  # a Python flag that is changed later


@dataclass(frozen=True)
class Fed:
    """A place where the phase of a graph is wrong.

    Attributes:
        node: the value that is fed, the placeholder, or the argument of a layer.
        feed: what is wrong.
        surely: whether it is the phase of BN in sight, on data that say they are
            held out.
        name: the flag, as written.
    """

    node: ast.AST
    feed: Feed
    surely: bool = False
    name: str = ""


def fed_phases(module: Module) -> Iterator[Fed]:
    """Yield each place where a graph in sight gets the wrong phase."""
    if module.is_test:
        return
    phases = _phases_of_layers(module)
    entries = list(_entries(module, set(phases)))
    for around, key, value in entries:
        found = _wrong(module, around, key, value)
        if found is not None:
            surely = found is Feed.EVALUATES_IN_TRAINING and (
                names.BATCH_NORM in phases.get(ast.unparse(key), ())
                and bool(_words_of_data(around, key) & HELD_OUT)
            )
            yield Fed(value, found, surely, ast.unparse(key))
    yield from _true_by_default(module, phases, entries)
    for call, name in never_fed(module, set(phases)):
        yield Fed(call, Feed.NEVER_FED, surely=True, name=name)
    for call in restored_unfed(module):
        yield Fed(call, Feed.RESTORED)
    for flag in fixed_flags(module):
        yield Fed(flag, Feed.FIXED_WHEN_BUILT, name=ast.unparse(flag))


def _phases_of_layers(module: Module) -> dict[str, set[str]]:
    """The kinds of layers of TensorFlow 1 that each expression is the flag of."""
    found: dict[str, set[str]] = {}
    for call, flag in flags_of_layers(module):
        kind = names.DROPOUT
        if any(batch_norm_name(value) for value in values(module, call.func)):
            kind = names.BATCH_NORM
        found.setdefault(ast.unparse(flag), set()).add(kind)
    return found


def _entries(
    module: Module, flags: set[str]
) -> Iterator[tuple[ast.AST, ast.expr, ast.expr]]:
    """The entries of dicts whose key is a phase: (what makes it, key, value)."""

    def _is_flag(key: ast.expr) -> bool:
        may_be = bool(flags) and isinstance(key, ast.Name | ast.Attribute)
        return _is_phase(module, key) or (may_be and ast.unparse(key) in flags)

    for made in module.scopes.of(ast.Assign):
        match made.targets:
            case [ast.Subscript(slice=index)] if _is_flag(index):
                yield made, index, made.value
    for node in module.scopes.of(ast.Dict):
        for name, value in zip(node.keys, node.values, strict=True):
            if name is not None and _is_flag(name):
                yield node, name, value
                for call, given in _handed(module, value):
                    yield call, name, given


def _handed(module: Module, value: ast.expr) -> Iterator[tuple[ast.Call, ast.expr]]:
    """What the calls of a function that makes a feed pass for the phase in it."""
    if not isinstance(value, ast.Name):
        return
    match module.scopes.lookup(value):
        case _, [Binding(kind=Kind.PARAMETER, place=ast.FunctionDef() as function)]:
            for call, skipped in calls_of(module, function):
                given = argument_for(call, function, value.id, skipped)
                if given is not None:
                    yield call, given


def _is_phase(module: Module, key: ast.expr) -> bool:
    match key:
        case ast.Call(func=function):
            return _PHASE in values(module, function)
        case ast.Constant(value=str() as name) if name.endswith(":0"):
            return _is_named(name.removesuffix(":0").rpartition("/")[2])
        case ast.Name() | ast.Attribute() if _is_named(last_word(key)):
            return all(_is_placeholder(value) for value in values(module, key))
    return False


def _is_named(name: str) -> bool:
    """Whether a placeholder of that name is the phase."""
    short = name.removeprefix("keras_")
    return hints.is_training_flag(_SUFFIX.sub("", short))


def _is_placeholder(value: object) -> bool:
    """Whether it is one, or what a function is given."""
    return isinstance(value, Parameter) or (
        isinstance(value, Result)
        and isinstance(value.maker, Known)
        and _PLACEHOLDER.match(value.maker.name) is not None
    )


def _wrong(
    module: Module, around: ast.AST, key: ast.expr, value: ast.expr
) -> Feed | None:
    """What is wrong with one entry, by what is run with it, and where."""
    if not (isinstance(value, ast.Constant) and value.value in (0, 1)):
        return None
    functions = module.scopes.names_around(around)
    if any(map(hints.is_meant_random, functions)):
        return None
    ran = fetched(run_with(module, around))
    trains = ran is not None and has_training_op(module, ran)
    if not value.value:
        return Feed.TRAINS_IN_INFERENCE if trains else None
    if trains or (ran is not None and _TRAINS.search(ast.unparse(ran))):
        return None
    said = _words_of_data(around, key) & HELD_OUT
    named = set(hints.words_of(functions[0])) if functions else set()
    if said or (named & _EVALUATING and "train" not in named):
        return Feed.EVALUATES_IN_TRAINING
    return None


def _words_of_data(feed: ast.AST, phase: ast.expr) -> set[str]:
    """The words of all that is fed beside the phase."""
    match feed:
        case ast.Dict(keys=keys, values=fed):
            pairs = zip(keys, fed, strict=True)
            beside = [ast.unparse(value) for key, value in pairs if key is not phase]
        case ast.Call(args=args):
            beside = [ast.unparse(value) for value in args]
        case _:
            return set()
    return set(hints.words_of(" ".join(beside)))


def _true_by_default(
    module: Module,
    phases: dict[str, set[str]],
    entries: list[tuple[ast.AST, ast.expr, ast.expr]],
) -> Iterator[Fed]:
    """Placeholders that are True by default, where sessions run and feed no False."""
    fed = {
        ast.unparse(key)
        for _, key, value in entries
        if not (isinstance(value, ast.Constant) and value.value in (True, 1))
    }
    if "run" not in module.calls_by_name:
        return
    for call in module.calls_by_name.get("placeholder_with_default", ()):
        match call.args, module.scopes.parents.get(call):
            case [ast.Constant(value=True), *_], ast.Assign(targets=[target]):
                name = ast.unparse(target)
                if name in phases and name not in fed:
                    yield Fed(call, Feed.TRUE_BY_DEFAULT, name=name)
