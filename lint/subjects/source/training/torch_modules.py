"""Networks of Keras that modules of PyTorch run, which do not follow `train()`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..reading.values import Class, Known
from ..resolving.classes import keyword
from ..resolving.lineage import lineage
from ..resolving.members import members
from ..resolving.saying import FLAG
from .lost_flag import LOST, LostFlag
from .phases import loses_flag
from .running import running, trained_kinds
from .torch_steps import runs_without_gradients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_LIGHTNING = "LightningModule"


def in_torch_modules(module: Module) -> Iterator[LostFlag]:
    """Yield the flags lost in `forward`, and in what Lightning runs to train."""
    if not module.mentions("forward", "training_step"):
        return
    for node in module.classes:
        kind = _kind(Class(module, node))
        methods = members(module, node).methods
        if (
            kind
            and "forward" in methods
            and (kind == _LIGHTNING or "backward" in module.calls_by_name)
        ):
            yield from _lost(module, methods["forward"], "training=self.training")
        if kind == _LIGHTNING and "training_step" in methods:
            yield from _lost(module, methods["training_step"], "training=True")


def _kind(cls: Class) -> str:
    """The kind of module that a class is; empty if it is none of PyTorch."""
    for base in lineage(cls):
        name = base.name if isinstance(base, Known) else ""
        if name.endswith(_LIGHTNING):
            return _LIGHTNING
        if name == "torch.nn.Module":
            return name
    return ""


def _lost(module: Module, method: ast.AST, flag: str) -> Iterator[LostFlag]:
    name = getattr(method, "name", "")
    for run in running(module, [method]):
        lost = None if runs_without_gradients(run) else loses_flag(run)
        known = [] if lost is None else list(trained_kinds(run))
        kinds = next((kinds & LOST for _, kinds in known if kinds & LOST), None)
        if lost is not None and kinds:
            here = lost is run and run.is_shown
            yield LostFlag(
                lost.shown,
                ast.unparse(run.call.func),
                f"in `{name}` of a PyTorch module, whose train() it ignores,",
                kinds,
                is_call=here and keyword(run.call, FLAG) is None,
                shared=run.caller is not None,
                home=lost.module,
                call=lost.call,
                flag=flag,
            )
