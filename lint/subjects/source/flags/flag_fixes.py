"""Fixes of constant flags."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ....findings import Edit, Fix
from ..reading.edits import without_argument
from ..reading.values import parameters
from ..resolving.classes import calls_in
from ..resolving.saying import FLAG, passes_flag_on
from ..statistics.batch_norm_calls import calls_base

if TYPE_CHECKING:
    from ..reading.module import Module
    from .flagged import Flagged


def flag_left_out(module: Module, flagged: Flagged) -> Fix | None:
    """Leave the phase to the caller; this is unsafe, as the flag may be meant.

    A BN layer that calls its base must pass the phase on, for nothing else does. Beside
    calls that pass it on, this one does so, too.
    """
    if getattr(flagged.node, "arg", FLAG) is None:
        return None  # other options stand beside it
    function = module.scopes.enclosing_function(flagged.call)
    passing = f"{FLAG}={FLAG}"
    if not calls_base(module, flagged.call) and (
        function is None
        or isinstance(function, ast.Lambda)
        or not any(map(passes_flag_on, calls_in(module, function)))
    ):
        return without_argument(module, flagged.call, flagged.node, safe=False)
    if (
        not isinstance(flagged.node, ast.keyword)
        or function is None
        or FLAG not in parameters(function)
        or ast.unparse(flagged.node) == passing
    ):
        return None
    return Fix((Edit(module.location(flagged.node), passing),), safe=False)
