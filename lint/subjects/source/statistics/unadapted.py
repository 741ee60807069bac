"""`Normalization` layers in a project that adapts none to data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..reading.values import Known, unpacks
from ..resolving.classes import keyword
from ..resolving.resolve import values

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ..reading.module import Module

_NAME = re.compile(r"^keras\.layers\.(experimental\.preprocessing\.)?Normalization$")
_MENTIONED = re.compile(r"(?<![A-Za-z])Normalization\b")
# Any of these may give a layer its statistics, in any file.
_ADAPTS = re.compile(
    r"\badapt\b|load_weights|load_model|set_weights|from_pretrained|from_preset|restore"
)
_TRAINS = re.compile(r"\.(fit|train_on_batch)\(|GradientTape")


def unadapted_normalizations(module: Module) -> Iterator[ast.Call]:
    """Yield what makes a `Normalization` layer, if networks are trained here."""
    if not (module.matches(_MENTIONED) and module.matches(_TRAINS)):
        return
    if module.is_test or _adapts(module):
        return
    for call in module.calls:
        is_given = len(call.args) > 1 or keyword(call, "mean") is not None
        if not (is_given or unpacks(call)) and any(
            isinstance(value, Known) and _NAME.match(value.name)
            for value in values(module, call.func)
        ):
            yield call


def _adapts(module: Module) -> bool:
    """Whether anything in the project may give such a layer its statistics."""
    if _ADAPTS.search(module.text):
        return True
    by_path = module.project.texts.by_path
    return any(_ADAPTS.search(text) for text in by_path.values())
