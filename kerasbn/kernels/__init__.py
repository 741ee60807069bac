"""Batch statistics and normalization: the numerical core of the layer.

A kernel is a module with the functions of `generic`, under the same contract.
`generic` runs on every backend and defines what is right; a kernel written for
one backend may only be faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasbn.kernels import generic

if TYPE_CHECKING:
    from types import ModuleType


def active() -> ModuleType:
    """The kernel for the active Keras backend: `generic` where it has no own."""
    return generic
