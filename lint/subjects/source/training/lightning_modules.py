"""Networks of Keras in modules of Lightning, which do not follow its `train()`.

The loops that train a module of PyTorch itself are read by `torch_steps`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..reading.values import Class, Known
from ..resolving.lineage import lineage
from ..resolving.members import members
from .lost_flag import LOST, lost_in
from .phases import loses_flag
from .running import running, trained_kinds
from .torch_steps import runs_without_gradients

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ..reading.module import Module
    from .lost_flag import LostFlag

_LIGHTNING = "LightningModule"
_KERAS_3 = ("import keras", "from keras")


def in_lightning_modules(module: Module) -> Iterator[LostFlag]:
    """Yield the flags lost in `forward` and `training_step`.

    Only in files for Keras 3, whose layers may run on PyTorch.
    """
    if not (module.mentions(_LIGHTNING) and module.mentions(*_KERAS_3)):
        return
    for node in module.classes:
        if any(
            isinstance(base, Known) and base.name.endswith(_LIGHTNING)
            for base in lineage(Class(module, node))
        ):
            methods = members(module, node).methods
            for name, flag in (("forward", "self.training"), ("training_step", "True")):
                if name in methods:
                    yield from _lost(module, methods[name], f"training={flag}")


def _lost(module: Module, method: ast.AST, flag: str) -> Iterator[LostFlag]:
    name = getattr(method, "name", "")
    for run in running(module, [method]):
        lost = None if runs_without_gradients(run) else loses_flag(run)
        known = [] if lost is None else list(trained_kinds(run))
        kinds = next((kinds & LOST for _, kinds in known if kinds & LOST), None)
        if lost is not None and kinds:
            how = f"in `{name}` of a LightningModule, whose train() it ignores,"
            yield lost_in(run, lost, how, kinds, flag)
