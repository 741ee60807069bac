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

SIZES = (2, 3, 4)  # of batches that are tried
_SIZES = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 6.0, 8.0)
_BETTER = 0.75  # of the misfit of another explanation
_TOO_SMALL = 0.85  # of the variance of the data
_FEW_BATCHES = 0.85  # a momentum below averages them, whose noise is seen
_WORTH_EXPLAINING = 0.2  # misfit of a layer: a factor of 1.2 between variances
_OF_MISSING = 0.35  # the part of a lack of variance that a trial may leave open
_FITS = 0.7  # the misfit of a layer: a factor of 2 between variances
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
    misfit = sum(by_size[size])
    if misfit > _BETTER * mixed or misfit > _FITS * len(layers):
        return 0.0, []
    pairs = zip(layers, by_size[size], strict=True)
    return size, [e for e, it in pairs if it < _BETTER * _misfit_of_mixed(e)]


def lacking_variance(layers: Iterable[LayerState]) -> list[LayerState]:
    """Return the layers whose running variances are too small, for no other reason.

    They may be initial, or those of the last few batches, or of several inputs. Small
    batches never make a variance larger, so that none is returned if one is.
    """
    layers = _usable(layers)
    if any(_scale(layer) > 1 / _TOO_SMALL for layer in layers):
        return []
    return [
        layer
        for layer in layers
        if _scale(layer) < _TOO_SMALL and not signs.has_unlike_calls(layer)
        if layer.momentum is None or layer.momentum >= _FEW_BATCHES
    ]


def tried_size(
    layers: Sequence[LayerState], of_sizes: Mapping[int, Mapping[str, Moments]]
) -> tuple[int, list[LayerState]]:
    """Return the size of the batches that have the running statistics, and its layers.

    Compared are variances over all channels together, since in few small batches each
    single one has much noise. 0 if none of the sizes fits each layer that lacks
    variance.
    """
    lacking = lacking_variance(layers)
    known = {
        size: sum(_left_over(e, moments[e.path]) for e in lacking)
        for size, moments in of_sizes.items()
        if all(e.path in moments for e in lacking)
    }
    size = min(known, key=lambda size: known[size], default=0)
    if not size or any(
        _left_over(e, of_sizes[size][e.path]) > _OF_MISSING * _missing(e)
        for e in lacking
    ):
        return 0, []
    return size, lacking


def _missing(layer: LayerState) -> float:
    """Return the logarithm of how much smaller the variances are than the data's."""
    return -float(np.log(_scale(layer)))


def _scale(layer: LayerState) -> float:
    """Return the running variances over the data's."""
    return layer.distance.scale if layer.distance else 1.0


def _left_over(layer: LayerState, batches: Moments) -> float:
    """Return the same, of what is left if these batches explain a part of it."""
    away = distance(
        layer.mean, layer.variance, batches.mean, batches.within, layer.epsilon
    )
    return abs(float(np.log(away.scale)))


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
        if sum(_misfit_of(e, kinds) for e, kinds in pairs) < (
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


def _misfit_of(layer: LayerState, batches: Moments) -> float:
    """Return the misfit of an average over batches like these."""
    return _misfit(layer, batches.mean, batches.within)


def _misfit_of_size(layer: LayerState, size: float) -> float:
    assert layer.data is not None
    variance = layer.data.variance - layer.data.of_samples / size
    return _misfit(layer, layer.data.mean, np.maximum(variance, 0))


def _misfit(layer: LayerState, mean: Array, variance: Array) -> float:
    away = distance(layer.mean, layer.variance, mean, variance, layer.epsilon)
    return signs.total(away)
