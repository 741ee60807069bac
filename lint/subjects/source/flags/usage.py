"""Uses of the instances of a class in a project."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from ..networks.frozen import freezes
from ..reading.keras_versions import backend
from ..reading.nodes import last_word
from ..reading.values import (
    Class,
    Partial,
    argument_for,
    unpacks,
)
from ..resolving.callers import handed_in
from ..resolving.classes import keyword
from ..resolving.lineage import method_of, project_lineage
from ..resolving.resolve import values
from ..resolving.saying import FLAG, Said, meaning, says
from ..resolving.symbolic import builds_graph
from ..training.running import running
from .parts_of_networks import handed_to_networks, is_part, only_draws
from .receivers import FITTING, is_fitted_by_receiver, is_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

FITS = re.compile(rf"\.(?:{'|'.join(FITTING)})\(")
_INFERRING = (
    *("predict", "predict_on_batch", "predict_generator", "evaluate", "export"),
    "test_on_batch",
)


@dataclass(frozen=True)
class Usage:
    """The uses that modules make of the instances of a class.

    Attributes:
        fitted: whether one is fitted by itself.
        inferring: whether one predicts or is evaluated or exported.
        made: how many are made.
        parts: how many of these become parts of other networks.
        calls: how many calls there are of one.
        flagged: how many of these pass the flag in question.
        stateless: whether one is put in training mode in `stateless_call`.
        backends: the backends of the modules that train one, where they set one.
        traced: how many others build a graph, which passes `training` on.
        led: whether one is put in training mode by something other than `fit`.
    """

    fitted: bool
    inferring: bool
    made: int
    parts: int
    calls: int
    flagged: int
    stateless: bool
    backends: frozenset[str]
    traced: int
    led: bool

    def __add__(self, other: Usage) -> Usage:
        """Return the uses of both modules together."""
        return Usage(
            self.fitted or other.fitted,
            self.inferring or other.inferring,
            self.made + other.made,
            self.parts + other.parts,
            self.calls + other.calls,
            self.flagged + other.flagged,
            self.stateless or other.stateless,
            self.backends | other.backends,
            self.traced + other.traced,
            self.led or other.led,
        )

    @property
    def harmless(self) -> bool:
        """Whether it is only used in ways that pass `training` on, or to infer."""
        only_part = self.made > 0 and self.parts == self.made
        always_flagged = self.calls > 0 and self.flagged + self.traced == self.calls
        ways = (only_part, always_flagged, self.led, self.inferring)
        return not self.fitted and any(ways)


def usage_of(module: Module, cls: Class, flag: str = FLAG) -> Usage:
    """Find every use of the class, and of its subclasses, in the project.

    Other files are read only if the class's own file does not fit it.
    """
    usage = _usage_in(module, cls, flag)
    if usage.fitted:
        return usage
    for other, same in _elsewhere(cls):
        if not _is_of_torch(other):
            usage += _usage_in(other, same, flag)
    return usage


def _usage_in(module: Module, cls: Class, flag: str) -> Usage:
    made = [call for call in module.calls if _makes(module, call, cls)]
    calls = [call for call in module.calls if _calls_instance(module, call, cls)]
    fitted = _calls_method(module, cls, FITTING)
    fitted = fitted or (bool(made) and is_fitted_by_receiver(module, cls))
    stateless = any(_trains_stateless(module, cls))
    trained_on = backend(module) if fitted or stateless else None
    handed = handed_to_networks(module) if made else set()
    flagged = [call for call in calls if _passes_flag(call, cls, flag)]
    open_calls = [call for call in calls if call not in flagged]
    return Usage(
        fitted=fitted,
        inferring=_calls_method(module, cls, _INFERRING)
        or _calls_method(module, cls, (*_INFERRING, *FITTING), frozen=True),
        made=len(made),
        parts=sum(
            is_part(module, call) or call in handed or only_draws(module, call, cls)
            for call in made
        ),
        calls=len(calls),
        flagged=len(flagged),
        stateless=stateless,
        backends=frozenset({trained_on} if trained_on else ()),
        traced=sum(builds_graph(module, call, is_layer=False) for call in open_calls),
        led=any(_leads(module, call, cls, flag) for call in flagged)
        or (bool(made) and _is_led_by_step(module, cls, flag)),
    )


def _elsewhere(cls: Class) -> Iterator[tuple[Module, Class]]:
    """The other modules that may use the class, each with the class as it sees it.

    These name the class or import its file, or import a file that does.
    """
    project = cls.module.project
    again = project.load(cls.module.path)  # the one that the others import
    nodes = again.classes if again is not None else []
    same = [node for node in nodes if node.lineno == cls.node.lineno]
    if again is None or not same:
        return
    near = list(project.naming(cls.node.name, again.imported_as))
    far = project.naming(*(user.imported_as for user in near))
    for other in chain(near, (user for user in far if user not in near)):
        if other is not again:
            yield other, Class(again, same[0])


def _is_of_torch(module: Module) -> bool:
    """Whether it may have classes of the same name, but not of Keras."""
    of_keras = module.mentions("keras", "tensorflow", ".fit(", "import *")
    return module.mentions("torch") and not of_keras


def _calls_method(
    module: Module, cls: Class, words: tuple[str, ...], *, frozen: bool = False
) -> bool:
    return any(
        is_instance(value, cls)
        for word in words
        for call in module.calls_by_name.get(word, ())
        if isinstance(call.func, ast.Attribute)
        and freezes(module).covers(call.func.value) is frozen
        for value in values(module, call.func.value)
    )


def _trains_stateless(module: Module, cls: Class) -> Iterator[bool]:
    """Whether each `stateless_call` with a flag that may be True is of an instance."""
    for call in module.calls_by_name.get("stateless_call", ()):
        flag = says(module, call)
        if isinstance(call.func, ast.Attribute) and _may_be_true(flag):
            for value in values(module, call.func.value):
                yield is_instance(value, cls)


def _makes(module: Module, call: ast.Call, cls: Class) -> bool:
    # Instances are made by the class's name or a subclass's: words with a capital.
    if not last_word(call.func)[:1].isupper():
        return False
    made = (
        value.function if isinstance(value, Partial) else value
        for value in values(module, call.func)
    )
    return any(isinstance(one, Class) and cls in project_lineage(one) for one in made)


def _calls_instance(module: Module, call: ast.Call, cls: Class) -> bool:
    return any(is_instance(value, cls) for value in values(module, call.func))


def _passes_flag(call: ast.Call, cls: Class, flag: str) -> bool:
    """Whether a call of an instance passes the flag, by its name or its place."""
    return _flag_of(call, cls, flag) is not None or (flag != FLAG and unpacks(call))


def _flag_of(call: ast.Call, cls: Class, flag: str) -> ast.expr | None:
    """What a call of an instance passes; `training` only by its name."""
    given = keyword(call, flag)
    routine = None if flag == FLAG else method_of(cls, "call")
    if given is None and routine is not None:
        return argument_for(call, routine.node, flag, 1)
    return given


def _leads(module: Module, call: ast.Call, cls: Class, flag: str) -> bool:
    """Whether a call may put a network in training mode by the flag."""
    given = _flag_of(call, cls, flag)
    return given is not None and _may_be_true(meaning(module, given, given))


def _may_be_true(said: Said) -> bool:
    return not (said.is_nothing or said.is_constant(False))


def _is_led_by_step(module: Module, cls: Class, flag: str) -> bool:
    """Whether a function that it is passed to puts an instance in training mode."""
    for run in running(module, [module.tree], own_tapes=True):
        if run.caller is not None and _leads(run.module, run.call, cls, flag):
            networks = run.networks()
            if last_word(run.call.func) == "partial" and run.call.args:
                networks = run.handed(run.call.args[0])  # partial(net, training=True)
            for network in networks:
                for known in (network, *handed_in(*network)):
                    if any(is_instance(value, cls) for value in values(*known)):
                        return True
    return False
