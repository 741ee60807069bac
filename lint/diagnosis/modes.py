"""The statistics that each layer uses, and those that it updates, in each mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..subjects.trainer import receives_training, takes_training, trains_by_itself

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .batches import Batch
    from .runner import Runner

WAYS = ("fit", "predict", "evaluate", "model(x)")


@dataclass(frozen=True)
class Use:
    """The behaviour of a layer in one way to run the model.

    Attributes:
        uses: the statistics it normalizes with; `nothing` if it is not called.
        moves: whether it updates its running statistics.
        is_known: whether that was observed; the model's own step may do otherwise.
    """

    uses: Literal["batch", "running", "nothing"]
    moves: bool
    is_known: bool = True

    def __str__(self) -> str:
        if self.uses == "nothing":
            return "not called"
        text = self.uses + (", moves" if self.moves else "")
        return text if self.is_known else f"{text} (?)"


def table_of_modes(
    model: Any, runner: Runner, batch: Batch
) -> dict[str, Mapping[str, Use]]:
    """Observe, for each layer, its use in `fit`, `predict`, `evaluate` and `model(x)`.

    `fit` is run forward only, as Keras' trainer does it. The effect of the model's own
    training or test step is not known; the table shows the case that it calls the model
    with the same `training` as Keras' step.
    """
    kind = type(model)
    fit = runner.behaviours(training=True, batch=batch)
    predict = runner.behaviours(training=False, batch=batch)
    plain = runner.behaviours(training=None, batch=batch, plain=True)
    own_test = not getattr(kind, "test_step", kind).__module__.startswith("keras.")
    gets_flag = receives_training(model) == takes_training(model)
    known = {"fit": gets_flag and not trains_by_itself(kind), "evaluate": not own_test}
    columns = zip(WAYS, (fit, predict, predict, plain), strict=True)
    found: dict[str, dict[str, Use]] = {path: {} for path in fit}
    for way, behaviours in columns:
        for path, (called, depended, moved) in behaviours.items():
            uses: Any = "batch" if depended else "running"
            found[path][way] = Use(
                uses if called else "nothing", moved, known.get(way, True)
            )
    return {path: dict(uses) for path, uses in found.items()}
