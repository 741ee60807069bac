"""`recalibrate`: estimate a model's running statistics by passing data through it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasbn import live, replicas
from kerasbn.recalibration.batches import input_batches
from kerasbn.recalibration.eager import eagerly
from kerasbn.recalibration.observing import Observer, observed
from kerasbn.statistics import RunningStatistics, array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kerasbn.recalibration.pooling import Pool


@dataclass(frozen=True)
class RecalibratedLayer:
    """The outcome for one layer's running statistics.

    Attributes:
        path: The names of the models and layers around it and its own, `inner/bn1`.
        samples: The largest number of positions counted for any mean and variance.
        mean_shift: The largest change of a mean, in new standard deviations.
        variance_ratio: The largest factor between an old and a new variance, >= 1.
    """

    path: str
    samples: int
    mean_shift: float
    variance_ratio: float


def recalibrate(
    model: Any,
    data: Any,
    steps: int | None = None,
    *,
    batch_size: int = 32,
    verbose: int = 1,
) -> list[RecalibratedLayer]:
    """Estimate the running statistics of a model's batch normalization from data.

    Use it when they do not fit the weights: after weights were averaged or edited,
    after a training in which they never moved or with too small a momentum, or before
    the model is used on other data. Every `keras.layers.BatchNormalization` in the
    model is included, kerasbn's and those within nested models and custom layers, and
    **frozen ones too**: a running statistic is not learned, and an old one does not fit
    new inputs. Nothing else changes: no weight, optimizer, seed or other state; and if
    anything fails, nothing at all.

    The data pass once. Meanwhile each of these layers normalizes with the statistics of
    the batch, as in training, so that the layers after it see what they were trained
    on. Everything else is in **inference mode: dropout, noise and random augmentation
    are off**. PyTorch's `update_bn` leaves them on; but the estimate is for inference,
    and a dropout of rate p makes the variance of what it passes on 1/(1-p) times as
    large, or more where the mean is not 0 ([Li et al.,
    2019](https://arxiv.org/abs/1801.05134)). Batches should be as large as in training
    or larger.

    The new statistics are those of all samples pooled, by the law of total variance,

        mean = sum(n_b * mean_b) / n
        variance = sum(n_b * (variance_b + (mean_b - mean)^2)) / n

    and not the mean of the variances of batches, which leaves out how the means
    differ ([Wu and Johnson, 2021](https://arxiv.org/abs/2105.07576)). A masked
    position does not count. A layer that is called several times pools all calls.
    Renorm's statistics are set as well. A statistic without any sample stays. With
    `zero_debias` the new statistics count as complete; with `momentum=None` as the
    average of the batches that passed.

    **Replicas.** Under a `tf.distribute` strategy or `keras.distribution`, one call
    outside of all steps sets the statistics of all replicas. In the processes of
    `torch.distributed` **all must make the call**, each with its own part of the data
    (or all with the same); they get the statistics of all parts. Layers with
    `synchronized=True` normalize with those of all processes meanwhile, for which
    these need the same number of batches.

    Args:
        model: A built `keras.Model` of any kind.
        data: An array, or a nest of arrays for several inputs; or a
            `tf.data.Dataset`, `keras.utils.PyDataset`, generator, torch `DataLoader`
            or other iterable of batches `x`, `(x, y)` or `(x, y, sample_weight)`, of
            which `x` is used.
        steps: At most this many batches; `None` for all.
        batch_size: The size of the batches that arrays are cut into.
        verbose: 0 for no progress bar, 1 for one, 2 for one line at the end.

    Returns:
        One `RecalibratedLayer` for each layer whose statistics are new. Layers that
        the data did not reach are named in a warning and keep theirs.

    Raises:
        TypeError: If the model or the data are not of these types.
        ValueError: If the model is not built or has no batch normalization, if the
            data are empty, endless without `steps`, reach none of the layers, or
            lead to statistics that are not finite.
        RuntimeError: If a layer is called where values cannot be read, as within a
            loop that the backend compiles.

    Example:
    >>> moved = kerasbn.recalibrate(model, images, batch_size=256)
    >>> max(layer.variance_ratio for layer in moved)
    """
    _check_positive("batch_size", batch_size)
    if steps is not None:
        _check_positive("steps", steps)
    observers = _observers(model)
    _pass(model, observers, *input_batches(data, batch_size, steps), verbose)
    pools = replicas.active.from_all_processes(
        [observer.pool for observer in observers]
    )
    for observer, *of_processes in zip(observers, *pools, strict=True):
        observer.add_other_processes(of_processes)
    reached = _reached(observers)
    moved = [_moved(observer) for observer in reached]
    for observer in reached:
        pool = _pool(observer)
        RunningStatistics.from_layer(observer.layer).replace(
            pool.mean, pool.variance, pool.batches, pool.count > 0
        )
    return moved


def _observers(model: Any) -> list[Observer]:
    live.check_model(model)
    if not model.built:
        raise ValueError(
            "The model has no weights yet. Received: "
            f"{type(model).__name__} {model.name!r}, not built. Call it on a batch, "
            "or build or load it first."
        )
    observers = [Observer(*found) for found in live.batch_norms_inside(model)]
    if not observers:
        raise ValueError(
            "There is no batch normalization in the model. Received: "
            f"{type(model).__name__} {model.name!r}. (Keras does not see layers that "
            "a Lambda or a plain object holds.)"
        )
    return observers


def _pass(
    model: Any,
    observers: Sequence[Observer],
    batches: Iterator[Any],
    number: int | None,
    verbose: int,
) -> None:
    """Pass the batches through the model; no variable changes."""
    progress = keras.utils.Progbar(number, verbose=verbose, unit_name="step")
    scope = keras.StatelessScope()  # One for all, so that random states continue.
    step = 0
    for step, batch in enumerate(batches, start=1):
        with eagerly(), scope, observed(observers):
            model(batch, training=False)
        progress.update(step, finalize=step == number)
    if step == 0:
        raise ValueError("Data of at least one batch are needed. Received: no batch")
    if step != number:
        progress.update(step, finalize=True)


def _reached(observers: Sequence[Observer]) -> list[Observer]:
    """The observers that have samples, and all of them finite."""
    reached = [o for o in observers if o.pool is not None and o.pool.count.any()]
    missed = [o.path for o in observers if o not in reached]
    if not reached:
        raise ValueError(
            "No sample reached a batch normalization layer in inference mode, where "
            f"it is not masked. Received: data that reach none of {missed}"
        )
    spoilt = [o.path for o in reached if not _is_finite(o.pool)]
    if spoilt:
        raise ValueError(
            "The data lead to statistics that are not finite; nothing was changed. "
            f"Received: NaN or infinite inputs in {spoilt}. Look for them in the data, "
            "then in the weights."
        )
    if missed:
        warnings.warn(
            f"No sample of the data reached {missed}: their running statistics stay.",
            stacklevel=3,
        )
    return reached


def _is_finite(pool: Pool | None) -> bool:
    return pool is not None and bool(np.isfinite(pool.mean + pool.variance).all())


def _moved(observer: Observer) -> RecalibratedLayer:
    layer, pool = observer.layer, _pool(observer)
    has = pool.count > 0
    old = [array(v)[has] for v in (layer.moving_mean, layer.moving_variance)]
    mean, variance = pool.mean[has], pool.variance[has] + layer.epsilon
    # An old variance can be anything, also negative or NaN in a broken model.
    with np.errstate(all="ignore"):
        shift = np.abs(mean - old[0]) / np.sqrt(variance)
        ratio = np.exp(np.abs(np.log((old[1] + layer.epsilon) / variance)))
    return RecalibratedLayer(
        observer.path, int(pool.count.max()), float(shift.max()), float(ratio.max())
    )


def _pool(observer: Observer) -> Pool:
    assert observer.pool is not None, observer.path  # Only of those reached.
    return observer.pool


def _check_positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}"
        )
