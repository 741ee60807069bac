"""Trials beyond the modes that are always compared, where layers are off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .batches import ENOUGH_SAMPLES
from .by_epsilon import epsilon_to_try
from .cutting import cut_smaller
from .fits import SIZES, lacking_variance
from .layers import layer_states, pooled
from .names import OTHER_EPSILON
from .runner import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .batches import Batch, Data
    from .judge import Judge
    from .layers import LayerState, Moments
    from .runner import Runner

_FEWEST_SMALL, _MOST_SMALL = 16, 128  # batches of a few samples each


def fits_other_epsilon(
    runner: Runner,
    judge: Judge,
    batches: Sequence[Batch],
    layers: Mapping[str, tuple[Any, bool]],
    states: Sequence[LayerState],
) -> bool:
    """Try another epsilon, if some layer is off where epsilon matters."""
    if not (epsilon := epsilon_to_try(states)):
        return False
    other = Mode(False, epsilon=epsilon)
    judge.run(OTHER_EPSILON, other)
    measured = runner.statistics(other, batches)
    tried = layer_states(layers, measured, measured, batches[0].samples)
    return not any(state.is_off for state in tried)


def of_kinds(
    runner: Runner, mode: Mode, data: Data, states: Sequence[LayerState]
) -> Sequence[Mapping[str, Moments]]:
    """Measure batches of one kind each in training mode, if some layer is off."""
    if not any(state.is_off for state in states):
        return []
    if not data.from_arrays:  # Their own batches may be of one kind each.
        return [{state.path: state.data for state in states if state.data}]
    orders = [data.by_label] if data.by_label else []
    if data.in_order and data.batch_size >= ENOUGH_SAMPLES:
        orders.append(data.in_order)
    return [_moments(runner, mode, batches) for batches in orders]


def of_sizes(
    runner: Runner, mode: Mode, data: Data, states: Sequence[LayerState]
) -> Mapping[int, Mapping[str, Moments]]:
    """Measure small batches in training mode, if some variances are too small.

    That is a trial: in each, a layer also receives what those before make of them.
    """
    if not lacking_variance(states):
        return {}
    found = {}
    for size in SIZES:
        batches = cut_smaller(data.batches, size, _MOST_SMALL)
        if len(batches) >= _FEWEST_SMALL:
            try:
                found[size] = _moments(runner, mode, batches)
            except Exception:  # A model may be made for batches of one size.
                return {}
    return found


def of_outliers(runner: Runner, mode: Mode, data: Data) -> Mapping[str, Moments]:
    """Measure the batches with a sample that was left out, if any was."""
    if data.outliers is None:
        return {}
    return _moments(runner, mode, data.outliers.batches)


def _moments(
    runner: Runner, mode: Mode, batches: Sequence[Batch]
) -> dict[str, Moments]:
    """Return the statistics of all layers on these batches."""
    calls = runner.statistics(mode, batches)
    found = {path: pooled(parts, batches[0].samples) for path, parts in calls.items()}
    return {path: moments for path, moments in found.items() if moments is not None}
