"""Weights of a framework whose batch normalization has a smaller epsilon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .cause import Cause
from .layers import paths_of
from .names import INFERENCE, OTHER_EPSILON

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .evidence import Evidence
    from .layers import LayerState

OTHER = 1e-5  # of PyTorch, Caffe and Darknet
_NOTICEABLE = 0.05  # of the variance of the median channel


def epsilon_to_try(layers: Sequence[LayerState]) -> float | None:
    """Return the other epsilon; None if all fits, or it would hardly matter."""
    may_be = any(layer.is_off for layer in layers) and any(map(_is_sensitive, layers))
    return OTHER if may_be else None


def other_epsilon(evidence: Evidence) -> Iterator[Cause]:
    """Find statistics that fit if only epsilon is another one.

    Keras adds 1e-3 to variances, and PyTorch, Caffe and Darknet add 1e-5. Where these
    are small, all that follows the layer receives something else.
    """
    if not (evidence.fits_epsilon and evidence.worse(INFERENCE, OTHER_EPSILON)):
        return
    concerned = [layer for layer in evidence.layers if _is_sensitive(layer)]
    given = ", ".join(dict.fromkeys(f"{layer.epsilon:g}" for layer in concerned))
    yield Cause(
        "other epsilon",
        "certain",
        paths_of(concerned),
        f"the running statistics fit with epsilon={OTHER:g}, which PyTorch, Caffe and "
        f"Darknet use, and not with {given}: their variances are hardly larger",
        f"make the layers with BatchNormalization(epsilon={OTHER:g}) before loading "
        "their weights",
    )


def _is_sensitive(layer: LayerState) -> bool:
    if layer.epsilon <= OTHER or not layer.is_finite:
        return False
    return bool(layer.epsilon > _NOTICEABLE * np.median(layer.variance))
