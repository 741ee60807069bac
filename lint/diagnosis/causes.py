"""Derivation of causes from evidence, the most certain first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import by_batches, by_epsilon, by_layer, by_model, by_outliers
from .cause import POSSIBLE

if TYPE_CHECKING:
    from .cause import Cause
    from .evidence import Evidence


def causes_of(evidence: Evidence) -> list[Cause]:
    """Find all causes that the evidence shows; none for a healthy model.

    Causes found in layers explain these. What remains unexplained may come from
    averaged weights, or from data unlike those of training.
    """
    found: list[Cause] = []
    if evidence.bad_data:  # Nothing measured with them is meaningful.
        return list(by_layer.not_finite(evidence))
    if found := list(by_epsilon.other_epsilon(evidence)):
        return found  # What later layers receive follows from that.
    for cause in (*by_layer.FINDERS, *by_batches.FINDERS):
        found += cause(evidence)
    explained = {path for cause in found for path in cause.layers}
    spoiled = list(by_outliers.outliers(evidence, explained))
    found += spoiled
    if not any(cause.rank < POSSIBLE for cause in spoiled):
        found += by_model.unexplained(evidence, explained)
    # Else, what later layers receive follows from outliers.
    if not found:
        found += list(by_outliers.heavy_tails(evidence))
    if not found:
        found += by_batches.better_alone(evidence)
    found += by_model.other_causes(evidence, bool(found))
    return sorted(found, key=lambda cause: cause.rank)
