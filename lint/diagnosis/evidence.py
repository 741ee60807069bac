"""The measurements in which causes are looked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..subjects.live_model import steps_taken
from .by_epsilon import epsilon_to_try
from .judge import Judge
from .layers import array, assign_data, assign_running, built_layers, layer_states
from .modes import table_of_modes
from .names import (
    BATCH_NORM,
    DROPOUT,
    INFERENCE,
    OTHER_EPSILON,
    RECALIBRATED,
    TRAINING,
    UNFLAGGED,
)
from .runner import Mode, Runner
from .scores import Score, is_worse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .batches import Data
    from .layers import LayerState
    from .modes import Use

# Distances of outputs have no natural scale: a quarter of a deviation counts.
_SCALE_OF_DISTANCES = 12.5
_HIGHER_IS_BETTER = ("acc", "auc", "precision", "recall", "iou", "f1")
_A_POINT = 0.01
_NO_BETTER = 0.95  # than a constant prediction, as a fraction of its loss
_MOST_BYTES, _FEWEST_BATCHES = 128 * 2**20, 2  # of the outputs of one mode
_MOST_LAYERS, _MOST_BATCHES = 32, 8  # for attributing the gap


@dataclass(frozen=True)
class Evidence:
    """The measurements of a model with data.

    Attributes:
        model: the model.
        data: the data.
        layers: its batch normalization layers, worst first.
        modes: for each layer, what it uses and updates in `fit` and so on.
        scores: loss and metrics in each mode, by the names above.
        no_loss: why outputs are compared instead of losses; empty if losses are.
        scale: the loss of an uninformed prediction, in excess of that of a good one.
        constant: the loss of a constant prediction, if it is known and meaningful.
        steps: the number of training steps of the optimizer; None if unknown.
        fits_epsilon: whether all running statistics match the data if the layers get
            another epsilon, where some do not with their own.
        bad_weights: the paths of other weights that are not finite.
        bad_data: whether an input or target is not finite.
    """

    model: Any
    data: Data
    layers: Sequence[LayerState]
    modes: Mapping[str, Mapping[str, Use]]
    scores: Mapping[str, Score]
    no_loss: str
    scale: float
    constant: float | None = None
    steps: int | None = None
    fits_epsilon: bool = False
    bad_weights: Sequence[str] = ()
    bad_data: bool = False

    @property
    def has_loss(self) -> bool:
        """Whether losses are compared."""
        return not self.no_loss

    @property
    def gap(self) -> float:
        """The excess of inference over batch normalization as in training."""
        aim = BATCH_NORM if self.has_loss else RECALIBRATED
        if aim not in self.scores:
            return 0.0
        return self.scores[INFERENCE].loss.mean - self.scores[aim].loss.mean

    @property
    def has_gap(self) -> bool:
        """Whether the gap is more than chance, and not negligible."""
        return self.worse(INFERENCE, BATCH_NORM) if self.has_loss else self.helps

    @property
    def helps(self) -> bool:
        """Whether recalibration improves the model, and it then beats a constant."""
        return self.worse(INFERENCE, RECALIBRATED) and not self.is_useless(RECALIBRATED)

    @property
    def is_mixed(self) -> bool:
        """Whether recalibration makes the loss better and an accuracy worse."""
        before, after = (self.scores[m].metrics for m in (INFERENCE, RECALIBRATED))
        return any(
            after[name].mean < before[name].mean - _A_POINT
            for name in before
            if name in after and any(word in name for word in _HIGHER_IS_BETTER)
        )

    @property
    def is_incurable(self) -> bool:
        """Whether a gap remains when the running statistics match the data."""
        return self.has_loss and self.worse(RECALIBRATED, BATCH_NORM)

    @property
    def stays(self) -> bool:
        """Whether most of the gap remains when the running statistics match."""
        if not self.is_incurable:
            return False
        gained = self.scores[INFERENCE].loss.mean - self.scores[RECALIBRATED].loss.mean
        return gained < self.gap / 2

    def is_useless(self, mode: str) -> bool:
        """Whether a constant prediction would do as well."""
        if self.constant is None:
            return False
        return self.scores[mode].loss.mean >= _NO_BETTER * self.constant > 0

    @property
    def is_poor(self) -> bool:
        """Whether the loss is nearer to that of a constant prediction than to 0."""
        if self.constant is None:
            return False
        return self.scores[INFERENCE].loss.mean > self.constant / 2 > 0

    @property
    def is_harmed(self) -> bool:
        """Whether statistics cause any harm."""
        return self.has_gap or self.helps

    def concerns(self, layer: LayerState) -> bool:
        """Whether a layer's statistics need an explanation."""
        return layer.is_far or (layer.is_off and self.is_harmed)

    def worse(self, one: str, other: str) -> bool:
        """Whether the model does worse in one mode than in the other."""
        if one not in self.scores or other not in self.scores:
            return False
        return is_worse(self.scores[one], self.scores[other], self.scale)


def gather(model: Any, data: Data) -> Evidence:
    """Measure; must be called while the model is left undisturbed.

    Raises:
        UsageError: if the model cannot be run on the data.
    """
    layers = built_layers(model)
    only_layers = {path: layer for path, (layer, _) in layers.items()}
    no_loss = _why_no_loss(model, data)
    runner = Runner(model, only_layers, has_loss=not no_loss)
    problem = runner.prepare(data.batches[0])
    data = data.first(_affordable(runner, data))
    no_loss = no_loss or (problem and f"the loss cannot be computed ({problem})")
    merged = data.merged()
    modes = table_of_modes(model, runner, merged[0]) if layers else {}
    judge = Judge(model, data, runner, not no_loss)
    for name, mode in _modes(modes).items():
        judge.run(name, mode)
    still = runner.statistics(Mode(False), merged) if layers else {}
    measured = still
    if layers and not judge.are_same(INFERENCE, DROPOUT):
        measured = runner.statistics(Mode(True), merged)
    states = layer_states(layers, measured, still, merged[0].samples)
    if states:
        assign_data(states)
        judge.run(RECALIBRATED, Mode(False))
        assign_running(states)
    fits_epsilon = False
    if epsilon := epsilon_to_try(states):
        other = Mode(False, epsilon=epsilon)
        judge.run(OTHER_EPSILON, other)
        measured = runner.statistics(other, merged)
        of_other = layer_states(layers, measured, measured, merged[0].samples)
        fits_epsilon = not any(state.is_off for state in of_other)
    constant = None if no_loss else judge.loss_of_constant()
    scores = judge.scores()
    known = [score.loss.mean for score in scores.values()]
    best = min((loss for loss in known if np.isfinite(loss)), default=0.0)
    evidence = Evidence(
        model=model,
        data=data,
        layers=states,
        modes=modes,
        scores=scores,
        no_loss=no_loss,
        scale=_SCALE_OF_DISTANCES if no_loss else _scale(constant, best),
        constant=constant,
        steps=steps_taken(model),
        fits_epsilon=fits_epsilon,
        bad_weights=_not_finite(model),
        bad_data=_has_bad_data(data),
    )
    return _attributed(evidence, judge)


def _affordable(runner: Runner, data: Data) -> int:
    """Return how many batches to use, so that all modes' outputs fit in memory."""
    import keras

    (output,) = runner.outputs(Mode(False), data.batches[:1]).outputs
    size = sum(np.asarray(leaf).nbytes for leaf in keras.tree.flatten(output))
    return max(_FEWEST_BATCHES, _MOST_BYTES // max(size, 1))


def _why_no_loss(model: Any, data: Data) -> str:
    if not data.has_targets:
        return "there are no targets"
    return "" if model.compiled else "the model is not compiled"


def _scale(constant: float | None, best: float) -> float:
    return abs(best) if constant is None else abs(constant - best)


def _modes(modes: Mapping[str, Mapping[str, Use]]) -> dict[str, Mode]:
    """Return the modes to compare. In training, BN runs as in `fit`."""
    in_batches = tuple(
        (path, True) for path, uses in modes.items() if uses["fit"].uses == "batch"
    )
    still = tuple((path, False) for path in modes)
    found = {INFERENCE: Mode(False), TRAINING: Mode(True)}
    if modes:
        found[BATCH_NORM] = Mode(False, in_batches)
        found[DROPOUT] = Mode(True, still)
    if any(uses["predict"].uses == "batch" for uses in modes.values()):
        found[UNFLAGGED] = Mode(False, still)
    return found


def _attributed(evidence: Evidence, judge: Judge) -> Evidence:
    """Add the part of the gap that each layer alone accounts for, and sort by it."""
    states = sorted(evidence.layers, key=_badness, reverse=True)
    if evidence.is_harmed:
        aim = BATCH_NORM if evidence.has_loss and evidence.has_gap else RECALIBRATED
        count = min(_MOST_BATCHES, len(evidence.data.batches))
        ours = evidence.scores[INFERENCE].losses[:count]
        gap = float((ours - evidence.scores[aim].losses[:count]).mean())
        for index, state in enumerate(states[:_MOST_LAYERS]):
            if state.is_off and np.isfinite(gap) and gap > 0:
                assign_data([state])
                left = float((ours - judge.first_losses(count)).mean())
                assign_running([state])
                states[index] = state.with_share(left / gap)
        states.sort(key=lambda state: (-max(state.share or 0.0, 0.0), -_badness(state)))
    return replace(evidence, layers=tuple(states))


def _badness(state: LayerState) -> float:
    """Sort key: a number for the distance of the statistics from the data's."""
    it = state.distance
    if it is None:
        return -1.0
    if not it.is_finite:
        return np.inf
    return it.shift + float(np.log(it.ratio))


def _not_finite(model: Any) -> list[str]:
    return [
        weight.path
        for weight in model.weights
        if "float" in str(weight.dtype) and not np.isfinite(array(weight)).all()
        if not weight.path.endswith(("moving_mean", "moving_variance"))
    ]


def _has_bad_data(data: Data) -> bool:
    import keras

    leaves = keras.tree.flatten([(batch.x, batch.y) for batch in data.batches])
    return any(
        isinstance(leaf, np.ndarray)
        and leaf.dtype.kind == "f"
        and not np.isfinite(leaf).all()
        for leaf in leaves
    )
