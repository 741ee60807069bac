"""BN104: batch normalization that is never in training mode."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import (
    FUNCTIONAL_FLAG_IS_OVERRIDDEN,
    NONE_IS_INFERENCE,
    keras_of_model,
)
from ..subjects import source
from ..subjects.flagged_layers import flagged_layers, unflagged_behaviours
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import BatchNorm, Model
    from ..subjects.source import Module


class TrainingFalseHardCoded(Rule):
    """Batch normalization is called with a constant `training=False` or `None`.

    ## What it does
    Reports `training=False` written out in a call of batch normalization, or of a
    network that holds it, inside the `call` of a Keras class, and in a graph where it
    is honoured; from Keras 3.10 on, `training=None` in a `call` as well. The default
    `training=False`, from Keras 3.10 on also `training=None`, of a method that `call`
    uses is also reported, if nothing ever passes another value. It is only reported as
    info where the network seems meant to stay frozen, such as a backbone, or is passed
    in and not in sight, for a layer that extends batch normalization, and for a named
    constant or setting that is False, which may be meant as a switch. The constant
    False of dropout, or of what is seen to hold it, is a warning; that of a layer which
    is passed in, beside layers that get the phase, is info, and so is a rate that a
    call in inference sets on its instance for good.

    A live model is also run once on random inputs, as `fit` runs it, and left as it
    was. Each batch normalization that gets `training=False` in that run is reported, as
    info where the layer has statistics to keep.

    ## Why is this bad
    The layer never trains: its running statistics stay at zero mean and unit
    variance, so it normalizes nothing. From Keras 3.10 on an explicit `None` does the
    same; only leaving the argument out lets the phase of the caller through.

    ## Fix
    Leaves the argument out, which is unsafe, as it may be intended.

    ## Limits
    From 3.0 to 3.15 `fit` and `predict` override the flag of a call in a Functional
    graph: there BN105 is the finding. A layer frozen with `trainable=False` is right.
    A flag held in a name is followed within a `call` only.

    ## References
    - https://keras.io/guides/transfer_learning/
    """

    code = "BN104"
    name = "training-false-hard-coded"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(1)

    def call(self, x, training=None):
        return self.head(self.bn(x, training=False))


model = Net()
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(32, 4))
"""
    good = bad.replace("training=False", "training=training")
    proof = """\
model.fit(x, x[:, :1], verbose=0)
moving_mean = keras.ops.convert_to_numpy(model.bn.moving_mean)
healthy = bool(np.abs(moving_mean).max() > 0)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report constant flags, and whatever else stays in inference mode for good."""
        yield from self._hard_coded(module)
        yield from self._kept(module)

    def _hard_coded(self, module: Module) -> Iterator[Finding]:
        """Report constant flags in `call`, and in graphs where they are honoured."""
        for flagged in source.flagged_calls(module):
            if flagged.value is not True and _matters(module, flagged):
                meant = flagged.kept_still and not flagged.is_layer
                # Left out of a function of TensorFlow 1, it means the same.
                helped = flagged.by_default_of or flagged.by_calls_of
                fixable = not (meant or flagged.is_function or helped)
                in_call = flagged.where is source.FlagPlace.CALL
                advice = "pass training=training" if in_call else "leave it out"
                # Only what None means depends on the version.
                caveat = (
                    source.keras_for(module).caveat if flagged.value is None else ""
                )
                what = f"training={flagged.value} is hard-coded"
                if flagged.is_switch:
                    assert isinstance(flagged.node, ast.keyword)
                    what = f"{ast.unparse(flagged.node.value)} is False"
                    fixable = False
                if flagged.by_default_of:
                    helper = flagged.by_default_of
                    what = f"training={flagged.value} is the default of {helper}"
                    what += ", called without it"
                elif flagged.by_calls_of:
                    what = f"training={flagged.value} is what all calls of"
                    what += f" {flagged.by_calls_of} pass"
                if helped:
                    advice = "pass `training` from call on"
                harmed = "the running statistics never move in training"
                if flagged.only_drops:
                    harmed = "its dropout never drops"
                elif flagged.unknown:
                    harmed = "what it holds stays in inference mode in training, too"
                else:
                    advice += (
                        ", or set trainable=False if the layer is meant to be frozen"
                    )
                # Before Keras 3.10 the default None of a method changes nothing.
                unsure = (helped and caveat) or flagged.is_switch or flagged.of_base
                yield self.finding(
                    f"{what}: {harmed}; {advice}{caveat}",
                    module.location(flagged.node),
                    Severity.INFO if meant or flagged.unknown or unsure else None,
                    source.flag_left_out(module, flagged) if fixable else None,
                )

    def _kept(self, module: Module) -> Iterator[Finding]:
        """Report flags and rates that are set once, and constants beside a phase."""
        for kept in source.kept_flags(module):
            if kept.value is False:
                yield self.finding(
                    f"self.{kept.name} is False, and never set: what gets it stays "
                    "in inference mode in training, too; pass training=training",
                    module.location(kept.flag),
                    Severity.INFO,
                )
        for beside in source.constants_beside_phase(module):
            if not beside.flag:
                yield self.finding(
                    f"is_training=False is hard-coded, where self.{beside.phase} has "
                    "the phase: in training too, its batch normalization never updates "
                    "its statistics, and its dropout never drops; pass that",
                    module.location(beside.node),
                    Severity.INFO,
                )
        for rate in source.kept_rates(module):
            name = ast.unparse(rate.targets[0])
            yield self.finding(
                f"a call in inference sets {name} for good, so that later calls in "
                "training keep it: what it is the rate of never drops again; choose it "
                f"for each call, as {name} if training else {ast.unparse(rate.value)}",
                module.location(rate),
                Severity.INFO,
            )
        for found in source.always_off(module):
            if found.drops:
                said = "is called with training=False: its dropout never drops"
            else:
                said = (
                    "gets training=False where others get `training`: in training, "
                    "too, what it holds stays in inference mode"
                )
            yield self.finding(
                f"{found.called} {said}; pass training=training, unless that is meant",
                module.location(found.node),
                None if found.surely else Severity.INFO,
            )

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report what training shows, and graph flags where they are honoured."""
        estimated = {
            batch_norm.path
            for batch_norm in model.batch_norms
            if _is_estimated(batch_norm)
        }
        for path, behaviour in unflagged_behaviours(model):
            if behaviour.held_still and False in behaviour.flags:
                yield self.finding(
                    "called with training=False when the model was run as fit runs it: "
                    "its running statistics did not move; pass training=training, or "
                    "set trainable=False if the layer is meant to be frozen",
                    model.at(path),
                    Severity.INFO if path in estimated else None,
                )
        if keras_of_model(model.keras_version).has(FUNCTIONAL_FLAG_IS_OVERRIDDEN):
            return
        for layer in flagged_layers(model):
            if not layer.value:
                yield self.finding(
                    "called with training=False: the running statistics never move in "
                    "training; build the graph without the argument, or set "
                    "trainable=False if the layer is meant to be frozen",
                    model.at(layer.path),
                    # A whole network in inference mode is a recipe for fine-tuning.
                    None if layer.is_layer else Severity.INFO,
                )


def _is_estimated(layer: BatchNorm) -> bool:
    """Whether it has statistics to keep: other than Keras' initial ones."""
    statistics = layer.read_statistics()
    return statistics is not None and bool(
        statistics.mean.any() or (statistics.variance != 1).any()
    )


def _matters(module: Module, flagged: source.Flagged) -> bool:
    """Whether this flag, False or None, is obeyed where it stands."""
    if flagged.is_switch and flagged.where is source.FlagPlace.GRAPH:
        return False
    if flagged.value is None:
        return flagged.where is source.FlagPlace.CALL and source.keras_for(module).has(
            NONE_IS_INFERENCE
        )
    if flagged.where is source.FlagPlace.CALL:
        return True
    # A graph of TensorFlow 1, or of layers that `call` trains, is for inference alone.
    for_inference = flagged.is_function or (
        source.is_passed_phase(module, flagged.call.func)
    )
    honoured = not source.keras_for(module).has(FUNCTIONAL_FLAG_IS_OVERRIDDEN)
    return honoured and not for_inference
