"""Causes other than batch normalization: dropout, own layers, wrong targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..subjects.live_model import layers_inside
from .cause import Cause
from .layers import paths_of
from .names import BATCH_NORM, DROPOUT, INFERENCE, TRAINING
from .sentences import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .evidence import Evidence
    from .layers import LayerState

_MOST_NAMES = 3


def of_noise(layers: Sequence[LayerState]) -> Cause:
    """Return the cause for layers that see dropout or the like in training."""
    return Cause(
        "not batch normalization",
        "likely",
        paths_of(layers),
        "dropout or the like in front of the layer changes what it sees in training; "
        "inference lacks it, and the running statistics include it",
        "lower its rate, or move it behind the last batch normalization",
    )


def other_causes(evidence: Evidence, is_explained: bool) -> Iterator[Cause]:
    """Find causes other than batch normalization."""
    if evidence.worse(INFERENCE, DROPOUT if evidence.layers else TRAINING):
        own = _own_layers(evidence.model)
        yield Cause(
            "not batch normalization",
            "likely",
            (),
            "another layer that depends on the mode makes inference worse: training "
            "mode does better"
            + (
                " even with batch normalization in inference mode"
                if evidence.layers
                else ""
            ),
            "check your own layers that take `training`"
            + (f": {', '.join(map(printable, own[:_MOST_NAMES]))}" if own else ""),
        )
        return
    if is_explained or evidence.constant is None:
        return
    modes = [m for m in (INFERENCE, TRAINING, BATCH_NORM) if m in evidence.scores]
    if all(map(evidence.is_useless, modes)):
        best = min(evidence.scores[mode].loss.mean for mode in modes)
        yield Cause(
            "not batch normalization",
            "likely",
            (),
            f"the loss of {best:.3g} is no better than that of a constant prediction, "
            f"{evidence.constant.loss.mean:.3g}, in any mode",
            "check whether inputs and targets belong together, and are preprocessed "
            "as in training",
        )


def _own_layers(model: Any) -> list[str]:
    """Return the paths of layers that are not Keras' own and depend on the mode.

    A block of such layers is not named, as it only passes the flag on.
    """
    return [
        path
        for layer, path, _ in layers_inside(model)
        if layer._call_has_training_arg
        and not any(layers_inside(layer))
        and not type(layer).__module__.startswith(("keras.", "kerasbn."))
    ]
