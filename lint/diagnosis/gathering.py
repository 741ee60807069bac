"""The measuring of a model: all runs over the data, and what is derived from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from ..subjects.live_model import accumulated_batches, steps_taken
from . import signs
from .apart import networks_apart
from .attribution import attributed
from .evidence import Evidence
from .judge import Judge
from .layers import array, assign_data, assign_running, built_layers, layer_states
from .modes import table_of_modes
from .names import (
    BATCH_NORM,
    DROPOUT,
    INFERENCE,
    PREPROCESSED,
    RECALIBRATED,
    TRAINING,
    UNFLAGGED,
)
from .preprocessing import fitting_preprocessing, looks_up
from .runner import Mode, Runner
from .scores import is_worse
from .trials import fits_other_epsilon, of_kinds, of_outliers, of_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .batches import Batch, Data
    from .layers import LayerState
    from .modes import Use
    from .preprocessing import Preprocessing
    from .scores import Score

# Distances of outputs have no natural scale: a quarter of a deviation counts.
_SCALE_OF_DISTANCES = 12.5
_MUCH_LESS = 0.6  # of the loss
_MOST_BYTES, _FEWEST_BATCHES = 128 * 2**20, 2  # of the outputs of one mode


def gather(model: Any, data: Data) -> Evidence:
    """Measure; must be called while the model is left undisturbed.

    Raises:
        UsageError: if the model cannot be run on the data.
    """
    runs = _started(model, data)
    learning, states = _states(runs)
    _run_recalibrated(runs, states)
    preprocessing = _run_preprocessed(runs, learning, states)
    fits_epsilon = fits_other_epsilon(
        runs.runner, runs.judge, runs.merged, runs.layers, states
    )
    constant = None if runs.no_loss else runs.judge.score_of_constant()
    scores = runs.judge.scores()
    scale = _SCALE_OF_DISTANCES if runs.no_loss else _scale(constant, scores)
    if runs.runner.adds_losses:
        constant = None  # It lacks what layers add, and is not to be compared.
    if preprocessing and not _is_confirmed(preprocessing, scores, scale):
        scores.pop(PREPROCESSED, None)
        preprocessing = None
    evidence = Evidence(
        model=model,
        data=runs.data,
        layers=states,
        modes=runs.modes,
        scores=scores,
        no_loss=runs.no_loss,
        scale=scale,
        constant=constant,
        steps=steps_taken(model),
        accumulated=accumulated_batches(model),
        of_kinds=of_kinds(runs.runner, learning, runs.data, states),
        of_sizes=of_sizes(runs.runner, learning, runs.data, states),
        of_outliers=of_outliers(runs.runner, learning, runs.data),
        fits_epsilon=fits_epsilon,
        preprocessing=preprocessing,
        bad_weights=_not_finite(model),
        bad_data=_has_bad_data(runs.data),
        apart=runs.apart,
    )
    return attributed(evidence, runs.judge)


@dataclass(frozen=True)
class _Runs:
    """A model that was run on the data in the modes to compare.

    Attributes:
        model: the model.
        data: the data, or as much as is affordable.
        merged: its batches, large enough for statistics.
        layers: the batch normalization layers, and whether each is frozen.
        runner: the runner of the model.
        modes: for each layer, what it uses and updates in `fit` and so on.
        judge: the results.
        no_loss: why outputs are compared instead of losses; empty if losses are.
        apart: the networks in the model whose layers are left out.
    """

    model: Any
    data: Data
    merged: Sequence[Batch]
    layers: Mapping[str, tuple[Any, bool]]
    runner: Runner
    modes: Mapping[str, Mapping[str, Use]]
    judge: Judge
    no_loss: str
    apart: tuple[str, ...]


def _started(model: Any, data: Data) -> _Runs:
    """Find out how the model can be run, and run it in the modes to compare."""
    apart = networks_apart(model)
    layers = built_layers(model, apart)
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
    return _Runs(model, data, merged, layers, runner, modes, judge, no_loss, apart)


def _states(runs: _Runs) -> tuple[Mode, list[LayerState]]:
    """Measure the data at each layer; return the mode of training as well.

    Raises:
        UsageError: if the data are one sample, and say nothing.
    """
    runner, merged = runs.runner, runs.merged
    still = runner.statistics(Mode(False), merged) if runs.layers else {}
    # Without dropout and the like, one mode does: compiling another takes long.
    is_noisy = bool(runs.layers) and not runs.judge.are_same(INFERENCE, DROPOUT)
    learning = Mode(is_noisy)
    measured = runner.statistics(learning, merged) if is_noisy else still
    states = layer_states(runs.layers, measured, still, merged[0].samples)
    if states and runs.data.samples == 1 and not any(state.data for state in states):
        raise UsageError(
            "One sample has no variance in the batch normalization layers of this "
            "model. Received: 1 sample. Give at least two, preferably some hundred."
        )
    return learning, states


def _run_recalibrated(runs: _Runs, states: Sequence[LayerState]) -> None:
    """Run the model with the statistics of the data."""
    if runs.no_loss and any(map(signs.sees_noise, states)):
        # Without a loss, that the data differ under augmentation is no fault.
        assign_data(states, in_training=True)
        runs.judge.take_as_reference()
    if states:
        assign_data(states)
        runs.judge.run(RECALIBRATED, Mode(False))
        assign_running(states)


def _run_preprocessed(
    runs: _Runs, learning: Mode, states: Sequence[LayerState]
) -> Preprocessing | None:
    """Look for preprocessing that makes the statistics fit, and run the model so."""
    is_open = not runs.no_loss or any(state.is_far for state in states)
    if looks_up(runs.model) or not is_open:
        return None
    found = fitting_preprocessing(
        runs.runner, learning, runs.merged, states, steps_taken(runs.model)
    )
    if found and not runs.no_loss:
        runs.judge.run(PREPROCESSED, Mode(False), found.of(runs.data.batches))
    return found


def _is_confirmed(
    preprocessing: Preprocessing, scores: Mapping[str, Score], scale: float
) -> bool:
    """Whether the loss agrees, as data may look as if they lacked preprocessing.

    Where it is the only proof, it has to be far better than with the statistics of the
    data as they are, too.
    """
    after = scores.get(PREPROCESSED)
    if after is None:
        return not preprocessing.needs_proof
    if not preprocessing.needs_proof:
        return is_worse(scores[INFERENCE], after, scale)
    others = [scores[mode] for mode in (INFERENCE, RECALIBRATED)]
    return all(
        is_worse(other, after, scale) and after.error < _MUCH_LESS * other.error
        for other in others
    )


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


def _scale(constant: Score | None, scores: Mapping[str, Score]) -> float:
    """Return the loss of an uninformed prediction, in excess of the best one."""
    known = [score.error for score in scores.values()]
    best = min((loss for loss in known if np.isfinite(loss)), default=0.0)
    return abs(best) if constant is None else abs(constant.error - best)


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
