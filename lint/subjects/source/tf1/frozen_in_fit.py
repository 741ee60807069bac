"""Frozen BN that Keras 2 on TensorFlow 1 still runs on the batch in `fit`.

There `trainable = False` stops the updates and nothing else: in `fit` it normalizes
with the batch, in `predict` and `evaluate` with its running statistics. From Keras 2.4
and TensorFlow 2 on, frozen BN is in inference mode.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ... import names
from ..networks.contents import kinds_held
from ..networks.freezings import freezings
from ..reading.keras_versions import keras_for
from ..reading.values import Known
from ..resolving.classes import keyword
from ..resolving.resolve import values
from ..resolving.saying import FLAG
from ..statistics.batch_norms import batch_norm_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..networks.freezings import Freezing
    from ..reading.module import Module

_INFERS_WHEN_FROZEN = (2, 4)
_STANDALONE = re.compile(r"^[ \t]*(from|import)[ \t]+keras\b", re.MULTILINE)
_GRAPHS = re.compile(
    r"disable_v2_behavior|\btf\.(compat\.v1\.)?(Session|placeholder)\(|\btf\.contrib\b"
)
_FITTING = ("fit", "fit_generator")


@dataclass(frozen=True)
class FrozenInFit:
    """Batch normalization that is frozen, and then fitted.

    Attributes:
        node: what freezes it: an assignment or a call, which may be that of BN itself.
        network: what holds it; None if it is made frozen.
    """

    node: ast.Assign | ast.Call
    network: ast.expr | None = None


def frozen_in_fit(module: Module) -> Iterator[FrozenInFit]:
    """Yield the first BN that is made frozen, or the first freezing of its network.

    Adversarial networks, which are trained batch by batch, are not meant to infer.
    """
    by_batch = "train_on_batch" in module.calls_by_name
    fits = any(word in module.calls_by_name for word in _FITTING)
    if (
        not (module.mentions("trainable") and (by_batch or fits))
        or not (module.matches(_STANDALONE) or module.matches(_GRAPHS))
        or module.mentions("learning_phase")
        or keras_for(module).version >= _INFERS_WHEN_FROZEN
    ):
        return
    for made in module.calls:
        if _is_frozen_batch_norm(module, made):
            yield FrozenInFit(made)
            return
    if by_batch:
        return
    for change in freezings(module):
        if (
            change.value is False
            and not _asks_for_batch_norm(module, change)
            and names.BATCH_NORM in kinds_held(module, change.network, even_frozen=True)
            and not _is_flagged(module, change.network)
        ):
            yield FrozenInFit(change.node, change.network)
            return


def _is_frozen_batch_norm(module: Module, made: ast.Call) -> bool:
    """Whether it is BN that is made with `trainable=False`, and called with no flag."""
    match keyword(made, "trainable"):
        case ast.Constant(value=False):
            around = module.scopes.parents.get(made)
            flagged = isinstance(around, ast.Call) and keyword(around, FLAG) is not None
            return not flagged and any(
                isinstance(value, Known) and batch_norm_name(value) is not None
                for value in values(module, made.func)
            )
    return False


def _asks_for_batch_norm(module: Module, change: Freezing) -> bool:
    """Whether the layers are told apart, so that BN may be left out."""
    around = module.scopes.parents.get(change.node)
    return isinstance(around, ast.If) and "atchNorm" in ast.unparse(around.test)


def _is_flagged(module: Module, network: ast.expr) -> bool:
    """Whether it is called with `training`."""
    called = ast.unparse(network)
    return any(
        keyword(call, FLAG) is not None and ast.unparse(call.func) == called
        for call in module.calls
    )
