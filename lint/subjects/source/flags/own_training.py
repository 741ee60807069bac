"""Classes that a project trains by steps of its own, and not by the `fit` of Keras.

Such a step passes the phase explicitly, and so reaches what a class holds whose `call`
has no parameter for it. How the step gets its network, by a registry, a wrapper or a
framework, need not be in sight.
"""

from __future__ import annotations

import ast
import re
from enum import IntEnum, auto
from typing import TYPE_CHECKING

from ..reading.memo import remembered
from ..reading.values import Class, Known, Parameter, Result, Self
from ..resolving.classes import calls_in, keras_kind
from ..resolving.lineage import method_of
from ..resolving.members import is_of_super
from ..resolving.resolve import values
from ..resolving.saying import says
from .receivers import FITTING
from .usage import FITS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..reading.module import Module
    from ..reading.values import Value


class _Fit(IntEnum):
    """What a `fit` trains, the least sure first."""

    UNKNOWN = auto()  # it may be any network
    KERAS = auto()  # another class by Keras' own step, or a graph, which has a phase
    OWN_STEP = auto()  # by a step with the phase, or the trainer of a framework
    OTHER = auto()  # what another library trains


_PASSES_TRUE = re.compile(r"\btraining\s*=\s*True\b")


@remembered
def has_own_training(module: Module) -> bool:
    """Whether nothing may fit the module's classes, and a step with a phase trains.

    That is a step that passes `training=True`, or what is fitted in place of the
    classes: a wrapper with a step of its own, or the trainer of a framework. In a
    project that fits nothing, such a step may be anywhere, else it is near.
    """
    texts = module.project.texts.by_path
    if not any(map(FITS.search, texts.values())) and not module.matches(FITS):
        return any(map(_is_step, texts.values()))
    near = _files_near(module)
    fits = [fit for where in _fitting(module, near) for fit in _fits_in(where)]
    if _Fit.UNKNOWN in fits:
        return False
    replaced = _Fit.OWN_STEP in fits and _Fit.KERAS not in fits
    return replaced or any(_is_step(texts[path]) for path in near)


def fits_itself(cls: Class) -> bool:
    """Whether the class has a `fit` in place of that of Keras."""
    method = method_of(cls, "fit")
    return method is not None and not any(
        is_of_super(call.func) for call in calls_in(method.module, method.node)
    )


def _is_step(text: str) -> bool:
    return "GradientTape" in text and _PASSES_TRUE.search(text) is not None


def _files_near(module: Module) -> list[Path]:
    """The project's files that lead to the module by imports, and what these import."""
    project, here = module.project, module.real_path
    users = project.texts.naming([module.imported_as], "")
    users += project.texts.naming(map(_imported_as, users), "")
    led_to = [project.reach.led_to(path) for path in (here, *users)]
    near = frozenset().union(*(found for found in led_to if here in found))
    return [path for path in project.texts.by_path if path in near]


def _imported_as(path: Path) -> str:
    return path.parent.name if path.stem == "__init__" else path.stem


def _fitting(module: Module, near: list[Path]) -> Iterator[Module]:
    """The module, and those of the files near to it that fit something."""
    yield module
    project, here = module.project, module.real_path
    for path in near:
        if path != here and FITS.search(project.texts.read(path)):
            found = project.load(path)
            if found is not None:
                yield found


def _fits_in(module: Module) -> Iterator[_Fit]:
    for word in FITTING:
        for call in module.calls_by_name.get(word, ()):
            if not (call.args or call.keywords):
                yield _Fit.OWN_STEP  # Keras' own needs data
            elif isinstance(call.func, ast.Attribute):
                fitted = values(module, call.func.value)
                # A parameter stands beside what it is seen to get.
                known = [one for one in fitted if not isinstance(one, Parameter)]
                yield min(map(_trains_by, known), default=_Fit.UNKNOWN)


def _trains_by(fitted: Value) -> _Fit:
    match fitted:
        case Self(cls) | Result(maker=Class() as cls):
            if keras_kind(cls) is None:
                return _Fit.OWN_STEP
            step = method_of(cls, "train_step")
            passes = step is not None and any(
                says(step.module, call).is_constant(True)
                for call in calls_in(step.module, step.node)
            )
            return _Fit.OWN_STEP if passes else _Fit.KERAS
        case Result(maker=Known(name)):
            return _Fit.KERAS if name.startswith("keras.") else _Fit.OTHER
    return _Fit.UNKNOWN
