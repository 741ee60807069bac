"""Data that lack the preprocessing of the training, or have another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cause import Cause
from .layers import paths_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .evidence import Evidence


def other_preprocessing(evidence: Evidence) -> Iterator[Cause]:
    """Find data to which the running statistics fit if they are preprocessed."""
    found = evidence.preprocessing
    if found is None:
        return
    yield Cause(
        "unlike data",
        "likely",
        paths_of(layer for layer in evidence.layers if layer.is_off),
        f"the model does far better on {found.code} than on x, even with the "
        "statistics of x"
        if found.needs_proof
        else f"the running statistics of all layers are those of {found.code}, and not "
        "of x",
        f"preprocess the data as in training: x = {found.code}",
    )
