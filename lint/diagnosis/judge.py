"""Runs of all modes over the batches, with scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..subjects.trainer import penalty_of
from .names import BATCH_NORM, IN_ORDER, INFERENCE, RECALIBRATED
from .runner import Mode, Outputs
from .scores import (
    Score,
    losses_of_constant,
    metrics_of,
    relative_distances,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .batches import Batch, Data
    from .runner import Runner


class Judge:
    """A collection of runs, scored by loss or else by outputs.

    Args:
        model: the model.
        data: the data.
        runner: the runner of the model.
        by_loss: whether there are losses.
    """

    def __init__(self, model: Any, data: Data, runner: Runner, by_loss: bool) -> None:
        self._model = model
        self._data = data
        self._runner = runner
        self._by_loss = by_loss
        self._penalty = penalty_of(model) if by_loss else 0.0
        self._runs: dict[str, Outputs] = {}
        self._in_order: Outputs | None = None
        self._reference: Outputs | None = None

    def run(
        self, name: str, mode: Mode, batches: Sequence[Batch] | None = None
    ) -> None:
        """Run a mode over all batches, or over others of the same targets."""
        self._runs[name] = self._runner.outputs(mode, batches or self._data.batches)
        if name == BATCH_NORM and self._by_loss and self._data.in_order:
            self._in_order = self._runner.outputs(mode, self._data.in_order)

    def take_as_reference(self) -> None:
        """Measure distances from the outputs that inference mode has now."""
        self._reference = self._runner.outputs(Mode(False), self._data.batches)

    def scores(self) -> dict[str, Score]:
        """Return the scores of all modes that were run."""
        scores = {
            name: Score(
                self._losses(outputs),
                metrics_of(self._model, self._data.batches, outputs)
                if self._by_loss
                else {},
                self._penalty,
            )
            for name, outputs in self._runs.items()
        }
        if self._in_order is not None:
            losses = self._losses(self._in_order)
            scores[IN_ORDER] = Score(losses, penalty=self._penalty)
        return scores

    def are_same(self, one: str, other: str) -> bool:
        """Whether two modes have the same outputs."""
        first = (self._runs[name].outputs[:1] for name in (one, other))
        return not relative_distances(*(Outputs(output, None, []) for output in first))[
            0
        ]

    def first_losses(self, count: int) -> Any:
        """Return the losses of the first batches in inference mode."""
        batches: Sequence[Batch] = self._data.batches[:count]
        return self._losses(self._runner.outputs(Mode(False), batches))

    def score_of_constant(self) -> Score | None:
        """Return the score of the best constant prediction, an average of outputs.

        None if it has none, for one sample, and for targets that are all alike.
        """
        import keras

        batches = self._data.batches
        targets = zip(*(keras.tree.flatten(batch.y) for batch in batches), strict=True)
        if self._data.samples == 1 or not any(_vary(parts) for parts in targets):
            return None
        names = [n for n in (INFERENCE, BATCH_NORM, RECALIBRATED) if n in self._runs]
        tried = [
            losses_of_constant(self._model, batches, self._runs[name].outputs)
            for name in names
        ]
        scores = [
            Score(losses, penalty=self._penalty)
            for losses in tried
            if losses is not None
        ]
        return min(scores, key=lambda score: score.loss.mean, default=None)

    def _losses(self, outputs: Outputs) -> Any:
        if outputs.losses is not None:
            return outputs.losses
        reference = self._reference or self._runs.get(BATCH_NORM, self._runs[INFERENCE])
        count = len(outputs.outputs)
        return relative_distances(outputs, Outputs(reference.outputs[:count], None, []))


def _vary(targets: Sequence[Any]) -> bool:
    """Whether a target is not the same for all samples of all batches."""
    values = [np.unique(target) for target in targets if target is not None]
    return bool(values) and np.unique(np.concatenate(values)).size > 1
