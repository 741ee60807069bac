"""Loss and metrics of the same batches in each mode, and their comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..subjects.probing.backends import stateless_scope
from .batches import joined
from .runner import metrics_now
from .tensors import as_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .batches import Batch
    from .runner import Outputs

    Array = NDArray[np.float64]

# Of the loss of a constant prediction: what counts, and what does if it is no chance.
_GAIN, _LEAST_GAIN = 0.1, 0.01

# A difference counts if it is more than chance by so many standard errors, and exceeds
# this fraction of the loss of an uninformed prediction, and this of the loss itself.
_SURELY, _OF_THE_SCALE, _OF_THE_LOSS = 3.0, 0.02, 0.1


@dataclass(frozen=True)
class Spread:
    """A number measured on several batches.

    Attributes:
        mean: the mean over the batches; for a metric, that of all samples.
        deviation: the standard deviation over the batches.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Array) -> Spread:
        """Compute mean and deviation of the values."""
        with np.errstate(all="ignore"):
            return cls(float(values.mean()), float(values.std()))


@dataclass(frozen=True)
class Score:
    """The quality of a model in one mode.

    Attributes:
        losses: for each batch; without a loss, the distance of the outputs from those
            with batch normalization as in training, or with its statistics if those of
            batches lack augmentation or dropout, relative to their own deviation.
        metrics: the compiled metrics, by name.
        penalty: the part of each loss that regularizes weights, in all modes alike.
    """

    losses: Array
    metrics: Mapping[str, Spread] = field(default_factory=dict)
    penalty: float = 0.0

    @property
    def loss(self) -> Spread:
        """The loss and its spread."""
        return Spread.of(self.losses)

    @property
    def error(self) -> float:
        """The mean loss without the penalty, which says nothing of predictions."""
        return self.loss.mean - self.penalty


def is_worse(worse: Score, better: Score, scale: float) -> bool:
    """Whether one mode does worse than another, by more than chance, and noticeably.

    Args:
        worse: the score of the same batches as `better`.
        better: the score to compare with.
        scale: the loss of an uninformed prediction, in excess of that of a good one.
    """
    if not np.isfinite(better.losses).all():
        return False
    if not np.isfinite(worse.losses).all():
        return True
    difference = float((worse.losses - better.losses).mean())
    least = _OF_THE_SCALE * scale + _OF_THE_LOSS * abs(better.error)
    return difference > least and is_no_chance(worse, better)


def beats_constant(score: Score, constant: Score) -> bool:
    """Whether a mode does better than a constant, clearly or at least surely.

    Where little can be predicted, as of clicks or prices, a good model is not much
    better than that.

    Args:
        score: the score of the mode.
        constant: that of a constant prediction on the same batches.
    """
    gain = float((constant.losses - score.losses).mean()) / abs(constant.error)
    return gain > _GAIN or (gain > _LEAST_GAIN and is_no_chance(constant, score))


def is_no_chance(worse: Score, better: Score) -> bool:
    """Whether the mean of paired differences, or else their sign, is surely positive.

    A few batches that differ a lot hide the mean of the others (the t test), and leave
    the number of those that are worse (the sign test, of standard deviation √n / 2).
    """
    differences = worse.losses - better.losses
    count = len(differences)
    error = float(differences.std()) / max(count - 1, 1) ** 0.5
    excess = int((differences > 0).sum()) - count / 2
    return bool(
        differences.mean() > _SURELY * error or excess > _SURELY * count**0.5 / 2
    )


def metrics_of(
    model: Any, batches: Sequence[Batch], outputs: Outputs
) -> dict[str, Spread]:
    """Return the compiled metrics over all batches, with their spread over batches."""
    import keras

    if not outputs.metrics[0]:
        return {}
    nests = [
        (b.x, b.y, y_pred, b.sample_weight)
        for b, y_pred in zip(batches, outputs.outputs, strict=True)
    ]
    whole = as_tensors(keras.tree.map_structure(joined, *nests))
    with keras.StatelessScope():
        found = metrics_now(model, *whole)
        of_all = {name: float(value) for name, value in found.items()}
    return {
        name: Spread(value, float(np.std([metric[name] for metric in outputs.metrics])))
        for name, value in of_all.items()
    }


def losses_of_constant(
    model: Any, batches: Sequence[Batch], outputs: Sequence[Any]
) -> Array | None:
    """Return the losses of predicting the average output for each sample.

    None if they cannot be computed, or are not finite.
    """
    import keras

    def average(*leaves: Any) -> Any:
        mean = np.concatenate(leaves).mean(axis=0, keepdims=True)
        return np.broadcast_to(mean, leaves[0].shape)

    try:
        constant = keras.tree.map_structure(average, *outputs)
        with stateless_scope(model):
            losses = np.asarray([_loss(model, batch, constant) for batch in batches])
    except Exception:  # The user's code may do anything.
        return None
    return losses if np.isfinite(losses).all() else None


def relative_distances(outputs: Outputs, reference: Outputs) -> Array:
    """Return each batch's distance of the outputs, in the reference's deviations."""
    import keras

    def flat(nest: Any) -> Array:
        leaves = [np.asarray(leaf, np.float64) for leaf in keras.tree.flatten(nest)]
        return np.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in leaves], 1)

    ones, others = (
        [flat(output) for output in both.outputs] for both in (outputs, reference)
    )
    with np.errstate(all="ignore"):
        deviation = np.sqrt(np.concatenate(others).var(axis=0).mean()) + 1e-12
        return np.asarray(
            [
                np.sqrt(((one - other) ** 2).mean()) / deviation
                for one, other in zip(ones, others, strict=True)
            ]
        )


def _loss(model: Any, batch: Batch, output: Any) -> float:
    x, y, weight, y_pred = map(
        as_tensors, (batch.x, batch.y, batch.sample_weight, output)
    )
    return float(model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight))
