"""How well running statistics fit batches that are composed in one way or another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..subjects.distance import distance
from . import signs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from .layers import LayerState, Moments

    Array = NDArray[np.float64]

_SIZES = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 6.0, 8.0)
_BETTER = 0.75  # of the misfit of another explanation
_WORTH_EXPLAINING = 0.2  # misfit of a layer: a factor of 1.2 between variances
_APART = 0.1  # of the variance, between the means of batches


def fitting_size(layers: Sequence[LayerState]) -> tuple[float, list[LayerState]]:
    """Return the batch size that the running variances show, and by which layers.

    A batch of B samples has, on average, the variance of all less 1/B of the variance
    of the means of samples. 0 if random batches of any larger size fit as well.
    """
    layers = _usable(layers)
    mixed = sum(map(_misfit_of_mixed, layers))
    if mixed <= _WORTH_EXPLAINING * len(layers):
        return 0.0, []
    by_size = {size: [_misfit_of_size(e, size) for e in layers] for size in _SIZES}
    size = min(by_size, key=lambda size: sum(by_size[size]))
    if sum(by_size[size]) > _BETTER * mixed:
        return 0.0, []
    pairs = zip(layers, by_size[size], strict=True)
    return size, [e for e, it in pairs if it < _BETTER * _misfit_of_mixed(e)]


def fit_kinds(
    layers: Sequence[LayerState], of_kinds: Iterable[Mapping[str, Moments]]
) -> bool:
    """Whether running statistics are those of batches of one kind each.

    They then lack the differences between kinds, and no size of random batches explains
    that as well.
    """
    layers = _usable(layers)
    mixed = sum(map(_misfit_of_mixed, layers))
    sized = [sum(_misfit_of_size(e, size) for e in layers) for size in _SIZES]
    for moments in of_kinds:
        known = [moments[layer.path] for layer in layers if layer.path in moments]
        if len(known) < len(layers) or not any(map(_are_apart, known)):
            continue
        pairs = zip(layers, known, strict=True)
        if sum(_misfit(e, kinds.mean, kinds.within) for e, kinds in pairs) < (
            _BETTER * min(mixed, *sized)
        ):
            return True
    return False


def _usable(layers: Iterable[LayerState]) -> list[LayerState]:
    """Return the layers whose statistics are of batches, as far as is known."""
    return [
        layer
        for layer in layers
        if layer.data and layer.is_finite and not layer.frozen
        if not signs.is_initial(layer)
    ]


def _are_apart(moments: Moments) -> bool:
    return bool((moments.of_batches / (moments.variance + 1e-12)).mean() > _APART)


def _misfit_of_mixed(layer: LayerState) -> float:
    assert layer.data is not None
    return _misfit(layer, layer.data.mean, layer.data.variance)


def _misfit_of_size(layer: LayerState, size: float) -> float:
    assert layer.data is not None
    variance = layer.data.variance - layer.data.of_samples / size
    return _misfit(layer, layer.data.mean, np.maximum(variance, 0))


def _misfit(layer: LayerState, mean: Array, variance: Array) -> float:
    away = distance(layer.mean, layer.variance, mean, variance, layer.epsilon)
    return signs.total(away)
