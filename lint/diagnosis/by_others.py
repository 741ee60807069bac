"""Causes other than batch normalization: dropout, own layers, wrong targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..subjects.data_normalization import live_data_normalizations
from ..subjects.live_model import layers_inside
from .cause import Cause
from .layers import paths_of
from .names import BATCH_NORM, DROPOUT, INFERENCE, TRAINING
from .sentences import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..subjects.data_normalization import DataNormalization
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
    if is_explained:
        return
    yield from _not_normalized(evidence)
    if evidence.constant is None:
        return
    modes = [m for m in (INFERENCE, TRAINING, BATCH_NORM) if m in evidence.scores]
    if all(map(evidence.is_useless, modes)):
        if constant := _adapted_to_constants(evidence.model):
            yield Cause(
                "not batch normalization",
                "likely",
                tuple(constant),
                "features that were constant in the data that Normalization adapted to "
                "have a variance of 0: a value that differs is multiplied by up to ten "
                "million",
                "leave those features out, or give Normalization mean and variance",
            )
            return
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


def _not_normalized(evidence: Evidence) -> Iterator[Cause]:
    """Find `Normalization` layers that nothing adapted to data."""
    layers = [
        layer.path for layer in _normalizations(evidence.model) if not layer.is_adapted
    ]
    if layers:
        yield Cause(
            "not batch normalization",
            "certain",
            tuple(layers),
            "a Normalization layer was never adapted: it passes its input on as it is",
            "call adapt(data) of the layer before training",
        )


def _adapted_to_constants(model: Any) -> list[str]:
    """Return the paths of `Normalization` layers that adapted to constant features."""
    return [layer.path for layer in _normalizations(model) if layer.constant_features]


def _normalizations(model: Any) -> Iterator[DataNormalization]:
    layers = ((layer, path) for layer, path, _ in layers_inside(model))
    return live_data_normalizations(layers)


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
