"""Derivation of causes from evidence, the most certain first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    by_batches,
    by_epsilon,
    by_layer,
    by_model,
    by_others,
    by_outliers,
    by_preprocessing,
)
from .cause import POSSIBLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cause import Cause
    from .evidence import Evidence


def causes_of(evidence: Evidence) -> list[Cause]:
    """Find all causes that the evidence shows; none for a healthy model.

    Causes found in layers explain these. What remains unexplained may come from
    averaged weights, or from data unlike those of training.
    """
    if evidence.bad_data:  # Nothing measured with them is meaningful.
        return list(by_layer.not_finite(evidence))
    if found := list(by_epsilon.other_epsilon(evidence)):
        return found  # What later layers receive follows from that.
    found += by_preprocessing.other_preprocessing(evidence)
    for find in by_layer.FINDERS:
        found += find(evidence)
    if not evidence.preprocessing:
        found += _of_batches_or_model(evidence, found)
    return sorted(found, key=lambda cause: cause.rank)


def _of_batches_or_model(evidence: Evidence, known: Sequence[Cause]) -> list[Cause]:
    """Find causes that only show in how far statistics are off, and in what way."""
    found: list[Cause] = []
    for find in by_batches.FINDERS:
        found += find(evidence)
    explained = {path for cause in (*known, *found) for path in cause.layers}
    spoiled = list(by_outliers.outliers(evidence, explained))
    found += spoiled
    if not any(cause.rank < POSSIBLE for cause in spoiled):
        found += by_model.unexplained(evidence, explained)
    # Else, what later layers receive follows from outliers.
    if not (known or found):
        found += by_outliers.heavy_tails(evidence)
    if not (known or found):
        found += by_batches.better_alone(evidence)
    found += by_others.other_causes(evidence, bool(known or found))
    return found
