"""The measuring of a model: all runs over the data, and what is derived from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from ..subjects.live_model import accumulated_batches, steps_taken
from . import signs
from .batches import ENOUGH_SAMPLES
from .by_epsilon import epsilon_to_try
from .cutting import cut_smaller
from .evidence import Evidence
from .fits import SIZES, lacking_variance
from .judge import Judge
from .layers import (
    array,
    assign_data,
    assign_running,
    built_layers,
    layer_states,
    pooled,
)
from .modes import table_of_modes
from .names import (
    BATCH_NORM,
    DROPOUT,
    INFERENCE,
    OTHER_EPSILON,
    PREPROCESSED,
    RECALIBRATED,
    TRAINING,
    UNFLAGGED,
)
from .preprocessing import fitting_preprocessing, looks_up
from .runner import Mode, Runner
from .scores import is_worse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .batches import Batch, Data
    from .layers import LayerState, Moments
    from .modes import Use

# Distances of outputs have no natural scale: a quarter of a deviation counts.
_SCALE_OF_DISTANCES = 12.5
_MOST_BYTES, _FEWEST_BATCHES = 128 * 2**20, 2  # of the outputs of one mode
_MOST_LAYERS, _MOST_BATCHES = 32, 8  # for attributing the gap
_FEWEST_SMALL, _MOST_SMALL = 16, 128  # batches of a few samples each


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
    # Without dropout and the like, one mode does: compiling another takes long.
    learning = Mode(bool(layers) and not judge.are_same(INFERENCE, DROPOUT))
    measured = runner.statistics(learning, merged) if learning.training else still
    states = layer_states(layers, measured, still, merged[0].samples)
    if states and data.samples == 1 and not any(state.data for state in states):
        raise UsageError(
            "One sample has no variance in the batch normalization layers of this "
            "model. Received: 1 sample. Give at least two, preferably some hundred."
        )
    if no_loss and any(map(signs.sees_noise, states)):
        # Without a loss, that the data differ under augmentation is no fault.
        assign_data(states, in_training=True)
        judge.take_as_reference()
    if states:
        assign_data(states)
        judge.run(RECALIBRATED, Mode(False))
        assign_running(states)
    steps = steps_taken(model)
    preprocessing = None
    if not looks_up(model) and (not no_loss or any(state.is_far for state in states)):
        preprocessing = fitting_preprocessing(runner, learning, merged, states, steps)
    if preprocessing and not no_loss:
        judge.run(PREPROCESSED, Mode(False), preprocessing.of(data.batches))
    fits_epsilon = _fits_other_epsilon(runner, judge, merged, layers, states)
    constant = None if no_loss else judge.loss_of_constant()
    scores = judge.scores()
    known = [score.loss.mean for score in scores.values()]
    best = min((loss for loss in known if np.isfinite(loss)), default=0.0)
    scale = _SCALE_OF_DISTANCES if no_loss else _scale(constant, best)
    if PREPROCESSED in scores and not is_worse(
        scores[INFERENCE], scores[PREPROCESSED], scale
    ):  # Data may look as if they lacked it, and not do so.
        del scores[PREPROCESSED]
        preprocessing = None
    evidence = Evidence(
        model=model,
        data=data,
        layers=states,
        modes=modes,
        scores=scores,
        no_loss=no_loss,
        scale=scale,
        constant=constant,
        steps=steps,
        accumulated=accumulated_batches(model),
        of_kinds=_of_kinds(runner, learning, data, states),
        of_sizes=_of_sizes(runner, learning, data, states),
        of_outliers=_of_outliers(runner, learning, data),
        fits_epsilon=fits_epsilon,
        preprocessing=preprocessing,
        bad_weights=_not_finite(model),
        bad_data=_has_bad_data(data),
    )
    return _attributed(evidence, judge)


def _fits_other_epsilon(
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


def _of_kinds(
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


def _of_sizes(
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


def _of_outliers(runner: Runner, mode: Mode, data: Data) -> Mapping[str, Moments]:
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
