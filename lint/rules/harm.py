"""The harm to layers that do not know whether they are being trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..subjects import names

if TYPE_CHECKING:
    from collections.abc import Collection

_HARM = {
    names.BATCH_NORM: "its batch normalization never updates its statistics",
    names.DROPOUT: "its dropout never drops",
    names.NOISE: "its noise is never added",
    names.AUGMENTATION: "its augmentation also runs in predict",
}


def harm(kinds: Collection[str]) -> str:
    """Describe in words what happens to layers of these kinds."""
    return ", ".join(text for kind, text in _HARM.items() if kind in kinds)
