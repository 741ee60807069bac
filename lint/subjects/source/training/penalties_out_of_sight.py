"""Penalties in graphs of TensorFlow 1 on networks that are handed in, unseen."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ..reading.memo import found_once
from ..reading.text import without_comments
from ..reading.values import Known, Parameter
from ..resolving.resolve import values
from ..resolving.saying import local_value
from .penalized import is_one_away

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.module import Module

_GRADIENTS = Known("tensorflow.gradients")
# A critic, or part of one, that is built with BN.
_CRITIC = re.compile(
    r"^class\s+(\w*(?:Discriminator|Critic)\w*)\b(?:(?!^class\s)[\s\S]){0,4000}?"
    r"batch_?norm",
    re.MULTILINE | re.IGNORECASE,
)


@found_once
def penalized_out_of_sight(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Yield each such call, and a critic with BN of the project that it may be of."""
    if not module.mentions("gradients("):
        return
    for gradient in module.calls_by_name.get("gradients", ()):
        if (
            len(gradient.args) < 2
            or _GRADIENTS not in values(module, gradient.func)
            or not is_one_away(module, gradient)
        ):
            continue
        score = local_value(module, gradient.args[0])
        if isinstance(score, ast.Call) and _is_handed_in(module, score.func):
            critic = _critic_with_batch_norm(module)
            if critic is not None:
                yield score, critic


def _is_handed_in(module: Module, network: ast.expr) -> bool:
    found = values(module, network)
    return bool(found) and all(isinstance(value, Parameter) for value in found)


def _critic_with_batch_norm(module: Module) -> str | None:
    for text in module.project.texts.by_path.values():
        match = _CRITIC.search(text) and _CRITIC.search(without_comments(text))
        if match:
            return match[1]
    return None
