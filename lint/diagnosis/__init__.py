"""Diagnosis of the batch normalization of a trained model."""

from __future__ import annotations

import warnings
from contextlib import redirect_stdout
from sys import stderr
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..subjects.live_model import is_live_model
from ..subjects.trainer import calls_by_itself

if TYPE_CHECKING:
    from .batches import Data
    from .report import Diagnosis


def diagnose(
    model: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    steps: int = 32,
) -> Diagnosis:
    """Find out why a trained model does worse in inference than in training.

    The same batches are passed through the model in inference mode, in training mode,
    and with only batch normalization or only the rest (dropout and the like) in
    training mode. The running statistics of each layer are compared with those of the
    data, and replaced by them, one layer at a time and then all together, as
    `kerasbn.recalibrate` does. The model is left unchanged: weights, optimizer,
    metrics, random state and attributes.

    Args:
        model: a trained Keras model, on any backend. Without `compile` or `y`, outputs
            are compared instead of losses.
        x: anything that `fit` accepts: an array, a nest of arrays, or a
            `tf.data.Dataset`, `keras.utils.PyDataset`, torch `DataLoader`, generator or
            other iterable of batches `x`, `(x, y)` or `(x, y, sample_weight)`. Training
            data are best.
        y: targets, if `x` is arrays.
        sample_weight: likewise.
        batch_size: the size of batches made from arrays, which are shuffled; 32 if
            None.
        steps: the largest number of batches to use; those from arrays are random.

    Returns:
        A `Diagnosis`: `.healthy`, `.causes`, `.remedy`, `.scores`, `.layers`, `.modes`,
        `.to_json()`, `.save_picture(path)`; printed, it is a report.

    Raises:
        UsageError: (a ValueError) if `model` is not a Keras model or not built, if the
            data are of another kind or too few, or if the model cannot be run on them.

    Example:
    >>> diagnosis = lint.diagnose(model, x_train, y_train)
    >>> print(diagnosis)
    >>> [cause.name for cause in diagnosis.causes]
    """
    if not is_live_model(model):
        raise UsageError(
            f"A Keras model is required. Received: {model!r} of type "
            f"{type(model).__name__}. Load a file with keras.models.load_model, or run "
            "model-lint diagnose."
        )
    if not (model.built or (calls_by_itself(type(model)) and model.weights)):
        raise UsageError(
            "The model has no weights yet, so there is nothing to diagnose. Received: "
            f"{type(model).__name__} {model.name!r}, not built. Train or load it first."
        )
    from ..subjects.probing.randomness import preserved_randomness
    from ..subjects.probing.undisturbed import undisturbed
    from .outliers import without_outliers
    from .reading import read_data
    from .tensors import without_gradients

    with preserved_randomness():  # Data may be shuffled as they are read.
        data = read_data(x, y, sample_weight, batch_size, steps)
    with (
        undisturbed(model),
        without_gradients(),
        warnings.catch_warnings(),
        redirect_stdout(stderr),  # Output of the model is not part of the report.
    ):
        warnings.simplefilter("ignore")
        found = _examined(model, data)
        if found.healthy or not (others := without_outliers(data)):
            return found
        return _examined(model, others)


def _examined(model: Any, data: Data) -> Diagnosis:
    """Measure, and derive causes; the model must be left undisturbed meanwhile."""
    from .causes import causes_of
    from .gathering import gather
    from .report import Diagnosis

    evidence = gather(model, data)
    return Diagnosis(tuple(causes_of(evidence)), evidence)
