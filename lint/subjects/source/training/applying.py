"""Calls that apply gradients, by which a step changes weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..reading.nodes import last_word

if TYPE_CHECKING:
    import ast

    from ..reading.module import Module

_APPLYING = ("apply_gradients", "minimize", "apply", "stateless_apply", "apply_updates")
# With what a loop on PyTorch calls, whose `step` is too common a word.
TRAINING = (*_APPLYING, "backward")


def applies(call: ast.Call) -> bool:
    """Whether a call seems to apply gradients."""
    return last_word(call.func) in _APPLYING


def trains(call: ast.Call) -> bool:
    """Whether a call seems to apply gradients, or to compute them on PyTorch."""
    return last_word(call.func) in TRAINING


def applies_somewhere(module: Module) -> bool:
    """Whether the module applies gradients."""
    return any(word in module.calls_by_name for word in _APPLYING)


def trains_somewhere(module: Module) -> bool:
    """Whether the module applies gradients, or computes them on PyTorch."""
    return any(word in module.calls_by_name for word in TRAINING)
