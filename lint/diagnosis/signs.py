"""Signs of causes in the numbers of one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..subjects.distance import Distance, distance
from .layers import array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .layers import LayerState

    Array = NDArray[np.float64]

_BLOWN_UP, _HARDLY = 4.0, 0.25  # times the variance; of its root, the shift
_PROPORTIONAL, _MANY = 0.9, 8  # correlation over so many channels
_GOOD_FIT = 0.8  # the fraction of squares that a good fit explains
_NEAR_SHIFT, _NEAR_RATIO = 0.5, 1.5
_MOST_CHANNELS = 0.8
_NO_SIZE = 1.02, 1.5
_STAYS, _COLLAPSED = 0.3, 0.1  # a shift of means; of the variance
_AWAKE = 100.0  # times epsilon
_SAME_SHIFT, _SAME_RATIO = 0.01, 1.01
_CLEARLY = 1.25  # times the distance with dropout
_MOST_LEFT = 0.5  # of the initial values, for what came after to be seen
_FAR_SHIFT, _FAR_RATIO = 0.5, 2.0  # between calls
_UNLIKE_BATCHES = 4.0  # times the variance of the means of random batches
_UNLIKE_PART = 0.1  # of the variance of all data
# The smallest relative step that is not rounded away.
_STEPS = {"float16": 2.0**-11, "bfloat16": 2.0**-8}


def is_initial(state: LayerState) -> bool:
    """Whether the running statistics equal their initial values."""
    pairs = (
        (state.mean, state.layer.moving_mean_initializer),
        (state.variance, state.layer.moving_variance_initializer),
    )
    return all(_equals_initial(values, initial) for values, initial in pairs)


def has_learned(state: LayerState) -> bool:
    """Whether gamma or beta differs from its initial value."""
    layer = state.layer
    pairs = (
        (layer.gamma, getattr(layer, "gamma_initializer", None)),
        (layer.beta, getattr(layer, "beta_initializer", None)),
    )
    return any(
        variable is not None and not _equals_initial(array(variable), initial)
        for variable, initial in pairs
    )


def _equals_initial(values: Array, initializer: Any) -> bool:
    """Whether they equal a constant initializer; a random one never counts."""
    from keras import ops

    initial = ops.convert_to_numpy(initializer(values.shape, "float32"))
    return bool(np.array_equal(values, np.asarray(initial, np.float64)))


def is_averaged(state: LayerState) -> bool:
    """Whether it keeps a plain running average that has ever been updated."""
    momentum = state.momentum
    return (
        momentum is not None
        and 0 < momentum < 1
        and not state.frozen
        and state.is_finite
        and not is_initial(state)
        and getattr(state.layer, "moving_weight", None) is None  # kerasbn's zero_debias
    )


def left_by_steps(state: LayerState, steps: int | None) -> float | None:
    """Return the part of the initial values that remains after so many steps, m^t.

    None if the steps are unknown or were provably more: starting at 1, no variance
    falls below the remaining part.
    """
    if not steps or state.momentum is None:
        return None
    left = float(state.momentum ** (steps * max(len(state.calls), 1)))
    return None if state.variance.min() < left * (1 - 1e-3) else left


def initial_part(state: LayerState) -> float | None:
    """Estimate the remaining part of the initial values from the statistics alone.

    Running statistics of the form (1 - b) data + b initial lie on a line between both:
    b by least squares over all channels; None if they are off the line.
    """
    if state.data is None:
        return None
    mean, variance = state.data.mean, state.data.variance + state.epsilon
    deviation = np.sqrt(variance)
    there = np.concatenate(
        [(state.mean - mean) / deviation, state.variance / variance - 1], axis=None
    )
    initial = np.concatenate([-mean / deviation, 1 / variance - 1], axis=None)
    part = float(there @ initial / max(float(initial @ initial), 1e-12))
    left = there - part * initial
    is_good = float(left @ left) < (1 - _GOOD_FIT) * float(there @ there)
    return part if is_good and _is_near(state, part) else None


def _is_near(state: LayerState, part: float) -> bool:
    """Whether the running statistics are close to those with this initial part.

    Distances count in their own deviations, since the data may be spread far wider.
    """
    assert state.data is not None
    mean = (1 - part) * state.data.mean
    variance = (1 - part) * state.data.variance + part
    away = distance(mean, variance, state.mean, state.variance, state.epsilon)
    return away.shift < _NEAR_SHIFT and away.ratio < _NEAR_RATIO


def excess_of_outliers(state: LayerState) -> bool:
    """Whether the variances exceed the data's as a sample far out makes them.

    At distance d from the others, one in B samples moves the mean of its batch by d / B
    and adds about d² / B to the variance: over all channels, the root of the excess is
    proportional to the shift.
    """
    if not is_blown_up(state):
        return False
    assert state.data is not None
    excess = state.variance - state.data.variance
    if excess.size < _MANY or excess.min() <= 0:
        return False
    root, shift = np.sqrt(excess), np.abs(state.mean - state.data.mean)
    return bool(np.corrcoef(root, shift)[0, 1] > _PROPORTIONAL)


def has_heavy_tails(state: LayerState) -> bool:
    """Whether most batches have far less variance than all data have."""
    data = state.data
    if data is None or data.usual is None:
        return False
    part = (data.variance + state.epsilon) / (data.usual + state.epsilon)
    return bool(np.median(part) > _BLOWN_UP)


def is_blown_up(state: LayerState) -> bool:
    """Whether the variances are far larger than the data's, and the means near."""
    away = state.distance
    if state.data is None or away is None or not away.is_finite:
        return False
    return away.scale > _BLOWN_UP and away.shift < _HARDLY * away.scale**0.5


def effective_batch_size(state: LayerState, left: float = 0.0) -> float | None:
    """Estimate the batch size from what the running variances lack.

    A batch of B samples has, on average, the variance of all less 1/B of the variance
    of the means of samples. None if the means are off, or if no such B fits most
    channels.

    Args:
        state: the layer.
        left: the part of the initial values, 0 and 1, that is still in the statistics.
    """
    data = state.data
    if data is None or left > _MOST_LEFT:
        return None
    mean, variance = state.mean / (1 - left), (state.variance - left) / (1 - left)
    away = distance(mean, variance, data.mean, data.variance, state.epsilon)
    if not _means_stay(away) or away.scale > 0.9:
        return None
    missing = data.variance - variance
    counts = data.of_samples > 0.05 * (data.variance + state.epsilon)
    lacks = counts & (missing > 0.02 * data.variance)
    if lacks.sum() < _MOST_CHANNELS * counts.sum() or not counts.any():
        return None
    sizes = data.of_samples[lacks] / missing[lacks]
    low, middle, high = np.quantile(sizes, (0.1, 0.5, 0.9))
    if data.positions <= 1 and _NO_SIZE[0] < middle < _NO_SIZE[1]:
        return None  # One sample has no variance at all, two have half of it.
    return float(middle) if high < 4 * max(low, 0.5) else None


def means_stay(state: LayerState) -> bool:
    """Whether the means are as near to the data's as small batches leave them."""
    return state.distance is None or _means_stay(state.distance)


def _means_stay(away: Distance) -> bool:
    """Whether means are near: batches lack variance, and no mean.

    Without any variance, weights may have gone anywhere.
    """
    return away.shift < (_STAYS if away.scale > _COLLAPSED else 1)


def noise_of_average(state: LayerState, momentum: float) -> float:
    """Return the shift that a running average of so few batches has by chance.

    The means of batches have a variance, of which an average with momentum m keeps (1 -
    m) / (1 + m).
    """
    if state.data is None:
        return 0.0
    data = state.data
    of_batches = np.maximum(data.of_batches, data.of_samples / max(data.batch_size, 1))
    part = of_batches / (data.variance + state.epsilon)
    return float(np.sqrt(part.mean() * (1 - momentum) / (1 + momentum)))


def woken(state: LayerState | None) -> int:
    """Return the number of channels that vary now, and were constant in training."""
    if state is None or state.data is None:
        return 0
    slept = state.variance < state.epsilon
    return int((slept & (state.data.variance > _AWAKE * state.epsilon)).sum())


def sees_noise(state: LayerState) -> bool:
    """Whether dropout or the like in front changes the statistics of what it sees."""
    if state.still is None or state.data is None:
        return False
    one, other = state.still, state.data
    away = distance(one.mean, one.variance, other.mean, other.variance, state.epsilon)
    return away.shift > _SAME_SHIFT or away.ratio > _SAME_RATIO


def fits_noise(state: LayerState) -> bool:
    """Whether dropout or the like explains the statistics: without, they fit worse."""
    if state.still is None or state.distance is None or not sees_noise(state):
        return False
    still = state.still
    away = distance(
        state.mean, state.variance, still.mean, still.variance, state.epsilon
    )
    return total(away) > _CLEARLY * total(state.distance)


def total(away: Distance) -> float:
    """Add up the distances of means and of variances, both of which are 0 at best."""
    return away.shift + float(np.log(away.ratio))


def has_unlike_calls(state: LayerState) -> bool:
    """Whether two of its calls receive inputs of different statistics."""
    first, *others = state.calls or (None,)
    if first is None:
        return False
    for other in others:
        away = distance(
            first.mean, first.variance, other.mean, other.variance, state.epsilon
        )
        if away.shift > _FAR_SHIFT or away.ratio > _FAR_RATIO:
            return True
    return False


def has_unlike_batches(state: LayerState) -> bool:
    """Whether the means of batches differ by more than those of random batches."""
    data = state.data
    if data is None:
        return False
    by_chance = (data.of_samples / data.batch_size).mean()
    apart = data.of_batches.mean()
    part = (data.of_batches / (data.variance + state.epsilon)).mean()
    return bool(apart > _UNLIKE_BATCHES * by_chance and part > _UNLIKE_PART)


def is_stuck(state: LayerState) -> bool:
    """Whether the statistics cannot approach the data's any further in their dtype."""
    step, data = _STEPS.get(state.dtype), state.data
    if step is None or data is None or state.momentum is None:
        return False
    if not state.is_finite:
        return True
    lost = [
        (1 - state.momentum) * np.abs(goal - now) < step * np.abs(now)
        for now, goal in ((state.mean, data.mean), (state.variance, data.variance))
    ]
    return bool(np.mean(lost) > 0.5)
