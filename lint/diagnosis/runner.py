"""Runs of a model over batches in the modes that a diagnosis compares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..subjects.probing.backends import (
    as_trainer_runs,
    ways_to_run,
    ways_to_run_often,
)
from ..subjects.probing.observing import Observer
from ..subjects.probing.randomness import Seeds
from ..subjects.replaced_calls import replaced_calls
from ..subjects.trainer import regularized, takes_training
from .control import Forced, Measured, added_losses, replaced_epsilon
from .failures import cannot_be_run, one_line, said_where
from .tensors import as_tensors, on_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from .batches import Batch

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mode:
    """A mode in which the model and its batch normalization are run.

    Attributes:
        training: the `training` passed to the model; None to pass nothing, as a plain
            `model(x)` does.
        forced: the `training` of BN layers that is forced on them, by path.
        epsilon: the epsilon that all BN layers are given; None for their own.
    """

    training: bool | None
    forced: tuple[tuple[str, bool], ...] = ()
    epsilon: float | None = None


@dataclass(frozen=True)
class Outputs:
    """The results of the model for the batches.

    Attributes:
        outputs: for each batch, a nest of arrays.
        losses: for each batch; None if there is no loss.
        metrics: for each batch by itself, by name.
    """

    outputs: list[Any]
    losses: Array | None
    metrics: list[dict[str, float]]


class Runner:
    """A runner for one model; to be used while it is left undisturbed.

    No assignment during a run is permanent. Compilation happens once for each mode.

    Args:
        model: the model.
        layers: its built BN layers, by path.
        has_loss: whether the batches have targets for its own loss.

    Attributes:
        has_loss: likewise, and whether it can be computed.
        adds_losses: whether layers add losses of what they are given.
    """

    def __init__(self, model: Any, layers: Mapping[str, Any], has_loss: bool) -> None:
        self._model = model
        self._layers = layers
        self.has_loss = has_loss
        self.adds_losses = False
        self._has_metrics = has_loss
        self._run = as_trainer_runs(model)
        self._seeds = Seeds(model)
        # How to run a function once, and how to run one for many batches.
        self._once = self._often = ways_to_run()[0]
        self._compiled = cache(self._make)

    def prepare(self, batch: Batch) -> str:
        """Find out how the model can be run; return why it has no loss, or "".

        Raises:
            UsageError: if it cannot be run on the batch at all.
        """
        problem = ""
        if self.has_loss and (problem := self._failure(batch)):
            self._has_metrics = False  # A custom metric may be to blame.
            if not self._failure(batch):
                problem = ""
        if problem or not self.has_loss:
            self.has_loss = self._has_metrics = False
            if failure := self._failure(batch):
                raise cannot_be_run(failure, batch)
        self._once = self._often
        for way in ways_to_run_often():
            self._often = way
            self._compiled.cache_clear()
            if self._works(batch) and self._reaches_layers(batch):
                break
        return problem

    def _failure(self, batch: Batch) -> str:
        """Take the first way that works; return why none does, or ""."""
        failure = ""
        for way in ways_to_run():
            self._often = way
            self._compiled.cache_clear()
            try:
                self._call_each(("outputs", Mode(training=False)), [batch])
            except Exception as error:  # The user's code may do anything.
                failure = failure or one_line(error)
            else:
                return ""
        return failure

    def _works(self, batch: Batch) -> bool:
        try:
            self._call_each(("outputs", Mode(training=False)), [batch])
        except Exception:  # Code that runs eagerly may not compile.
            return False
        return True

    def _reaches_layers(self, batch: Batch) -> bool:
        """Whether the layers are called that are called when nothing is compiled.

        A function that the model compiled itself does not call the replacement of a
        layer's `call`.
        """
        called = self.behaviours(False, batch)
        found = self.statistics(Mode(False), [batch])
        return all(found[path] or not called[path][0] for path in called)

    def outputs(self, mode: Mode, batches: Sequence[Batch]) -> Outputs:
        """Return outputs, losses and metrics of the batches.

        Raises:
            UsageError: (like the other methods) if the model fails in this mode.
        """
        with said_where(mode.training, batches[0]):
            found = self._call_each(("outputs", mode), batches)
        return Outputs(
            [outputs for outputs, _, _ in found],
            np.asarray([float(loss) for _, loss, _ in found])
            if self.has_loss
            else None,
            [{k: float(v) for k, v in metrics.items()} for _, _, metrics in found],
        )

    def statistics(
        self, mode: Mode, batches: Sequence[Batch]
    ) -> dict[str, list[list[Array]]]:
        """Return, for each layer and call: counts, means, variances, variances between.

        Each array has the batches as its first axis. BN normalizes with the batch, even
        if it is frozen, as in `kerasbn.recalibrate`.
        """
        with said_where(mode.training, batches[0]):
            of_batches = self._call_each(("statistics", mode), batches)
        found: dict[str, list[list[Array]]] = {}
        for path in self._layers:
            calls = zip(*(batch[path] for batch in of_batches), strict=False)
            found[path] = [
                [np.asarray(part, np.float64) for part in zip(*call, strict=True)]
                for call in calls
            ]
        return found

    def behaviours(
        self, training: bool | None, batch: Batch, plain: bool = False
    ) -> dict[str, tuple[bool, bool, bool]]:
        """Return whether each layer was called, used the batch, updated statistics."""
        kind = "plain" if plain else "behaviours"
        with said_where(training, batch):
            seen, called = self._call((kind, Mode(training)), batch)
        return {
            path: (bool(called[path]), bool(depended), bool(moved))
            for path, (moved, _, depended) in seen.items()
        }

    def _call_each(self, key: tuple[str, Mode], batches: Sequence[Batch]) -> list[Any]:
        """Call with each batch, with the same noise for it in all modes."""
        found = []
        for number, batch in enumerate(batches):
            self._seeds.set_for(number)
            found.append(self._call(key, batch))
        return found

    def _call(self, key: tuple[str, Mode], batch: Batch) -> Any:
        import keras

        _, mode = key
        if keras.backend.backend() == "torch" and mode.training is not None:
            self._model.train(mode.training)
        parts = (batch.x, batch.y, batch.sample_weight)
        result = self._compiled(key)(*map(as_tensors, parts))
        return keras.tree.map_structure(on_host, result)

    def _make(self, key: tuple[str, Mode]) -> Callable[..., Any]:
        kind, mode = key
        functions: dict[str, Callable[..., Any]] = {
            "outputs": self._forward,
            "statistics": self._measure,
            "behaviours": partial(self._observe, run=self._run),
            "plain": partial(self._observe, run=self._model),
        }
        way = self._often if kind in ("outputs", "statistics") else self._once
        return way(partial(functions[kind], mode), self._model)

    def _forward(self, mode: Mode, x: Any, y: Any, sample_weight: Any) -> Any:
        forced = [Forced(self._layers[path], value) for path, value in mode.forced]
        with (
            replaced_calls((force.layer, force) for force in forced),
            replaced_epsilon(self._layers.values(), mode.epsilon),
        ):
            outputs = self._run(x, **self._flag(mode))
        added = None
        if self._run is not self._model:
            outputs, _, added = outputs
        if not self.has_loss:
            return outputs, 0.0, {}
        with added_losses(self._model, added):
            self._note_added_losses()
            loss = self._model.compute_loss(
                x=x, y=y, y_pred=outputs, sample_weight=sample_weight
            )
        if not self._has_metrics:
            return outputs, loss, {}
        return outputs, loss, metrics_now(self._model, x, y, outputs, sample_weight)

    def _note_added_losses(self) -> None:
        count = len(self._model.losses)
        self.adds_losses |= count > len(regularized(self._model))

    def _measure(self, mode: Mode, x: Any, y: Any, sample_weight: Any) -> Any:
        measured = {path: Measured(layer) for path, layer in self._layers.items()}
        with (
            replaced_calls((moments.layer, moments) for moments in measured.values()),
            replaced_epsilon(self._layers.values(), mode.epsilon),
        ):
            self._run(x, **self._flag(mode))
        return {path: moments.calls for path, moments in measured.items()}

    def _observe(self, mode: Mode, x: Any, y: Any, sample_weight: Any, run: Any) -> Any:
        observers = {
            path: Observer(layer, False) for path, layer in self._layers.items()
        }
        with replaced_calls(
            (observer.layer, observer) for observer in observers.values()
        ):
            run(x, **self._flag(mode))
        return (
            {path: observer.seen for path, observer in observers.items()},
            {path: bool(observer.flags) for path, observer in observers.items()},
        )

    def _flag(self, mode: Mode) -> dict[str, bool]:
        if mode.training is None or not takes_training(self._model):
            return {}
        return {"training": mode.training}


def metrics_now(
    model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any
) -> dict[str, Any]:
    """Return the model's metrics of this batch alone; needs a stateless scope.

    Only numbers are kept: a confusion matrix is not a score. Metrics of losses are not
    updated.
    """
    model.reset_metrics()
    found = model.compute_metrics(x, y, y_pred, sample_weight)
    return {
        name: value
        for name, value in found.items()
        if name != "loss" and not name.endswith("_loss")
        if not len(getattr(value, "shape", ()))
    }
