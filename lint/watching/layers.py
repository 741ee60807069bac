"""A monitored layer, and the observations of it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..subjects.distance import distance
from .statistics import Reading, batches_between, flat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .statistics import Array, Batches

    # The current value of a Keras variable, a tensor.
    Value = Callable[[Any], Any]

_RECENT = 8  # batches; fewer are too noisy to compare with
_QUANTILES = (0.05, 0.5, 0.95)
_UNLIKE = (1.0, 4.0)  # shift and ratio between calls


@dataclass(frozen=True)
class Point:
    """Quantiles over the channels (5 %, 50 %, 95 %) at one time, for the picture."""

    step: int
    running_mean: Array
    running_variance: Array
    batch_mean: Array
    batch_variance: Array


@dataclass(frozen=True)
class Lag:
    """The distance of running statistics from those of recent batches.

    Attributes:
        shift: the distance of the means in standard deviations of the batches, as the
            root of its mean square over the channels.
        ratio: the factor between the variances, >= 1, as the geometric mean.
        varies: whether the batches have any variance that rounding does not hide.
    """

    shift: float
    ratio: float
    varies: bool


class WatchedLayer:
    """A `keras.layers.BatchNormalization` of a model in training.

    Attributes:
        path: its path, such as `inner/bn1`.
        layer: the layer.
        calls: the number of calls in training mode in one step; None if it is not
            known, and therefore nothing about the batches.
        points: the points to draw for the layer.
        lags: how far it was behind, by step.
        inputs: quantiles of its input values, by step.
        ever_moved: whether its running statistics were ever updated.
        dead: the channels that were constant in each of the last samples.
        gets_flag: whether training=True reaches it when the model is called with that;
            None if that was not tried.
        has_unlike_calls: whether its calls in one step receive different kinds of
            inputs.
    """

    def __init__(self, path: str, layer: Any) -> None:
        self.path = path
        self.layer = layer
        self.calls: int | None = 1
        self.points: list[Point] = []
        self.lags: list[tuple[int, Lag]] = []
        self.inputs: list[tuple[int, Array]] = []
        self.gets_flag: bool | None = None
        self.has_unlike_calls = False
        self.ever_moved = False
        self.dead: deque[Any] = deque(maxlen=3)
        self._recent: deque[Batches] = deque(maxlen=_RECENT)
        self._affine: list[Array] | None = None
        self._last: Reading | None = None

    @property
    def momentum(self) -> float | None:
        """The layer's momentum now; None for kerasbn's cumulative average."""
        momentum = self.layer.momentum
        return None if momentum is None else float(momentum)

    @property
    def keeps_start(self) -> bool:
        """Whether what the statistics start from counts in their average."""
        is_corrected = getattr(self.layer, "moving_weight", None) is not None
        return self.momentum is not None and not is_corrected

    @property
    def is_finite(self) -> bool:
        """Whether the running statistics are finite; True before they are read."""
        last = self._last
        return last is None or bool(
            np.isfinite(last.mean).all() and np.isfinite(last.variance).all()
        )

    @property
    def channels(self) -> int:
        """The number of statistics of each kind; 0 before the layer is built."""
        return 0 if self._last is None else self._last.mean.size

    def sample(self, step: int, value: Value) -> None:
        """Read the running statistics after a number of steps."""
        if not self.layer.built:
            return
        now = self._read(step, value)
        before, self._last = self._last, now
        if before is None:
            self._affine = self._read_affine(value)
            return
        self.ever_moved |= not now.same_as(before)
        if self.ever_moved and self.calls is not None:
            between = batches_between(before, now, self.momentum, self.calls)
            if between is not None and between.possible:
                self._note(now, between)
                if (lag := self.lag()) is not None:
                    self.lags.append((step, lag))
            elif between is not None:
                self._give_up()

    def is_trained(self, value: Value) -> bool:
        """Whether gamma or beta has changed, or there is neither to judge by."""
        now = self._read_affine(value)
        if self._affine is None:
            return False
        pairs = zip(self._affine, now, strict=True)
        return not now or any(not np.array_equal(one, other) for one, other in pairs)

    @property
    def varies(self) -> bool:
        """Whether recent batches had a variance; True if that is not known."""
        return not self._recent or any(
            (look.variance > look.noise).any() for look in self._recent
        )

    def lag(self) -> Lag | None:
        """Return how far the running statistics are behind; None if not yet known."""
        seen = sum(look.updates for look in self._recent)
        if self._last is None or seen < _RECENT:
            return None
        mean = np.mean([look.mean for look in self._recent], axis=0)
        variance = np.mean([look.variance for look in self._recent], axis=0)
        epsilon = float(self.layer.epsilon)
        away = distance(self._last.mean, self._last.variance, mean, variance, epsilon)
        return Lag(away.shift, away.ratio, self.varies) if away.is_finite else None

    def numbers(self) -> dict[str, float]:
        """Return the numbers for the logs: NaN for those that are not known yet."""
        lag = self.lag()
        return {
            "shift": lag.shift if lag else math.nan,
            "ratio": lag.ratio if lag else math.nan,
            "constant": float(self.dead_channels()),
        }

    def note_calls(self, calls: Sequence[tuple[Array, Array]]) -> None:
        """Compare the mean and variance of the inputs of the calls in one step."""
        for mean, variance in calls[1:]:
            away = distance(*calls[0], mean, variance, float(self.layer.epsilon))
            self.has_unlike_calls |= away.shift > _UNLIKE[0] or away.ratio > _UNLIKE[1]

    def dead_channels(self) -> int:
        """Count the channels that were constant in each of the last three samples."""
        if len(self.dead) < (self.dead.maxlen or 0):
            return 0
        return int(np.logical_and.reduce(self.dead).sum())

    def _give_up(self) -> None:
        """Discard the derived batch statistics, after an update by other means."""
        self.calls = None
        self._recent.clear()
        self.dead.clear()
        self.points.clear()
        self.lags.clear()

    def _note(self, now: Reading, between: Batches) -> None:
        self._recent.append(between)
        self.dead.append(_constant(now, between, float(self.layer.epsilon)))
        arrays = (now.mean, now.variance, between.mean, between.variance)
        if all(np.isfinite(array).all() for array in arrays):
            quantiles = [np.quantile(array, _QUANTILES) for array in arrays]
            self.points.append(Point(now.step, *quantiles))

    def _read(self, step: int, value: Value) -> Reading:
        from kerasbn.live import running_statistics

        running = running_statistics(self.layer)
        weight, renorm = running.weight, running.renorm
        return Reading(
            step,
            flat(value(running.mean)),
            flat(value(running.variance)),
            1.0 if weight is None else float(flat(value(weight.w)).mean()),
            None if renorm is None else flat(value(renorm.moving_stddev)),
            float(self.layer.epsilon),
        )

    def _read_affine(self, value: Value) -> list[Array]:
        variables = (self.layer.gamma, self.layer.beta)
        return [flat(value(variable)) for variable in variables if variable is not None]


def _constant(now: Reading, between: Batches, epsilon: float) -> Any:
    """Return which channels have no variance.

    Rounding hides a small variance behind a large running one. If other channels of the
    layer stand out, it counts as none beside theirs; if none does, only a running
    variance far below epsilon shows that there is none.
    """
    quiet = between.variance <= between.noise
    if quiet.all():
        return now.variance < epsilon / 10
    return quiet & (between.variance[~quiet].max() > 100 * between.noise)
