"""Calls of a network, in a training step, that lose `training`."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..resolving.classes import keyword
from ..resolving.saying import FLAG

if TYPE_CHECKING:
    from ..reading.module import Module
    from .running import Running

# Layers that are inactive in inference mode; augmentation is not.
LOST = frozenset({names.BATCH_NORM, names.DROPOUT, names.NOISE})


@dataclass(frozen=True)
class LostFlag:
    """A call of a network with BN, in a training step, without `training`.

    Attributes:
        node: where in the module; the call itself, or the one that leads to it.
        called: what is called, as written.
        how: what makes it a training step.
        is_call: whether `node` is that call itself.
        kinds: what the network holds that depends on the phase.
        shared: whether it is in a function that may also run outside of training.
        is_false: whether the phase is not left out: it is False, which may be meant.
        is_fresh: whether that network is new there, and in training mode nowhere.
        home: the module in which it is lost, as the step knows that.
        call: the call there that loses it.
        flag: what to pass.
    """

    node: ast.Call
    called: str
    how: str
    kinds: frozenset[str]
    is_call: bool = True
    shared: bool = False
    is_false: bool = False
    is_fresh: bool = False
    home: Module | None = None
    call: ast.Call | None = None
    flag: str = "training=True"


def lost_in(
    run: Running,
    lost: Running,
    how: str,
    kinds: frozenset[str],
    flag: str = "training=True",
) -> LostFlag:
    """The flag that a call lacks, or that another on the way to it leaves out."""
    here = lost is run and run.is_shown
    return LostFlag(
        lost.shown,
        ast.unparse(run.call.func),
        how,
        kinds,
        is_call=here and keyword(run.call, FLAG) is None,
        shared=run.caller is not None,
        home=lost.module,
        call=lost.call,
        flag=flag,
    )
