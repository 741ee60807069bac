"""BN103: batch normalization that is always in training mode."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import FUNCTIONAL_FLAG_IS_OVERRIDDEN, keras_of_model
from ..subjects import names, source
from ..subjects.flagged_layers import flagged_layers, unflagged_behaviours
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Behaviour, Model
    from ..subjects.source import Module


class TrainingTrueHardCoded(Rule):
    """Batch normalization is called with a constant `training=True`.

    ## What it does
    Reports `training=True` written out in a call of batch normalization, or of a
    network that holds it, inside the `call` of a Keras class or where a graph is built,
    and in a function that is named as an evaluation or a step of one, such as
    `test_step` or `evaluate`. There it is reported as info for a network with dropout,
    in a function that is not a step, or without batch normalization in sight, and so is
    a call on `x_test` or the like. A
    constructor flag that a layer passes on in its `call` is reported as info, too, and
    so is True for dropout there, for a layer beside others that get the phase, or for
    a method where `call` has no `training`; there also a function such as
    `tf.nn.dropout`, which always drops, and a warning where its rate is a number and
    nothing around it asks for the phase. `BatchNormalization(mode=2)` of Keras 1 is
    reported as info; `training=self.trainable` is a warning, and a parameter of that
    name info. Batch normalization that runs in training alone, and is left out in
    inference, as by `if training: x = self.bn(x)`, is a warning, and so is a layer that
    is made anew at each call, by `BatchNormalization()(x)` in a `call` or in a step. A
    named constant or setting that is True may be meant as a switch, and is info.

    For TensorFlow 1 it also reports an attribute that is always True and the flag of
    layers; a network that the function of an Estimator runs as in training in every
    mode (a warning if the Estimator is evaluated in sight); one that is built so, and
    only restored and run; and as info a constant where the class keeps the phase, and
    `tf.nn.batch_normalization` by the moments of the batch alone.

    Calls of a model in a training loop, branches on the phase and augmentation are left
    alone, and so is Monte Carlo dropout, but for networks with batch normalization,
    which are info. It is reported as info in a graph beside dropout with
    the same flag, as in pix2pix, and for TensorFlow 1 in a function that makes the
    training op.

    A live model is also run once on random inputs, as `predict` runs it, and left as it
    was. Each batch normalization that normalizes with the batch in that run is
    reported.

    ## Why is this bad
    In `predict` too the layer then normalizes with the statistics of the batch: the
    output for one sample depends on its neighbours, and the running statistics keep
    moving with whatever is predicted. Pass on the `training` that `call` was given.

    ## Fix
    Leaves the argument out, or passes False in an evaluation step; both are unsafe, as
    the flag may be intended.

    ## Limits
    From 3.0 to 3.15 `fit` and `predict` override the flag of a call in a Functional
    graph: there BN105 is the finding.

    ## References
    - https://keras.io/guides/transfer_learning/
    """

    code = "BN103"
    name = "training-true-hard-coded"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.bn(x, training=True)


model = Net()
"""
    good = bad.replace("training=True", "training=training")
    proof = """\
x = np.random.default_rng(0).normal(5, 2, size=(8, 4))
alone = model.predict(x[:1], verbose=0)
among_others = model.predict(x, verbose=0)[:1]
healthy = bool(np.allclose(alone, among_others, atol=1e-3))
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report constant flags, and whatever else runs in training mode for good."""
        yield from self._hard_coded(module)
        yield from self._in_layers(module)
        yield from self._other_flags(module)
        yield from self._in_graphs(module)
        yield from self._in_functions_that_evaluate(module)

    def _hard_coded(self, module: Module) -> Iterator[Finding]:
        """Report constant flags in `call`, and in graphs where they are honoured."""
        for flagged in source.flagged_calls(module):
            if flagged.value is True and _is_honoured(module, flagged):
                # A graph of TensorFlow 1 may be for training alone.
                alone = flagged.is_function and flagged.in_training
                method, is_switch = flagged.by_calls_of, flagged.is_switch
                how = "training=True is hard-coded"
                if method:
                    how = f"training=True is what all calls of {method} pass"
                elif is_switch and isinstance(flagged.node, ast.keyword):
                    how = f"{ast.unparse(flagged.node.value)} is True"
                yield self.finding(
                    f"{how}: in inference too the batch's own "
                    "statistics are used, and the running statistics move; "
                    + _advice(flagged),
                    module.location(flagged.node),
                    Severity.INFO if flagged.noisy or alone or is_switch else None,
                    # Left out of a function of TensorFlow 1, it may mean inference.
                    fix=None
                    if flagged.of_graphs or method or is_switch
                    else source.flag_left_out(module, flagged),
                )

    def _in_layers(self, module: Module) -> Iterator[Finding]:
        """Report layers that are made, called or left out whatever the phase is."""
        for fresh in source.fresh_batch_norms(module):
            yield self.finding(
                "batch normalization is made anew at each call: it has no running "
                "statistics to infer with, and its gamma and beta never learn; make it "
                "once, in __init__, and call it with training=training",
                module.location(fresh.func),
                Severity.WARNING,
            )
        for kept in source.kept_flags(module):
            if kept.value is False:
                continue  # BN104
            origin = "what the layer was built with" if kept.value is None else "True"
            yield self.finding(
                f"self.{kept.name} is {origin}, whatever its call receives: "
                f"{_when_kept(kept)}; pass training=training",
                module.location(kept.flag),
                Severity.INFO,
            )
        for found in source.always_on(module):
            yield self.finding(
                _when_on(found),
                module.location(found.node),
                None if found.surely else Severity.INFO,
            )
        for skipped in source.left_out_in_inference(module):
            yield self.finding(
                f"{ast.unparse(skipped.func)} only runs in training: in inference it "
                "is left out, so that what follows gets an input that is not "
                "normalized; call it in both phases, with training=training",
                module.location(skipped),
            )

    def _other_flags(self, module: Module) -> Iterator[Finding]:
        """Report flags that say something else than the phase."""
        for mode in source.batch_modes(module):
            yield self.finding(
                "mode=2 of Keras 1 normalizes with the batch's own statistics in "
                "predict too, and keeps no others; leave it out, unless that is meant",
                module.location(mode),
                Severity.INFO,
            )
        for given in source.trainable_flags(module):
            advice = (
                "training=training, as a frozen layer is in inference mode by itself"
            )
            if given.of_graphs:
                advice = "your phase placeholder"
            yield self.finding(
                f"training={ast.unparse(given.flag)} says what learns, not the phase: "
                f"in inference too, {_in_inference(given.kinds)}; pass {advice}",
                module.location(given.flag),
                None if given.surely else Severity.INFO,
            )

    def _in_functions_that_evaluate(self, module: Module) -> Iterator[Finding]:
        """Report functions that evaluate in training mode."""
        for call in source.trained_in_evaluation(module):
            where = "a function that evaluates"
            if call.in_loop or call.on_data:
                where = "a loop over data" if call.in_loop else "a call on data"
                where += " to evaluate on"
            yield self.finding(
                f"training=True in {where}: {_in_evaluation(call)}; "
                "pass training=False",
                module.location(call.flag),
                None if call.surely else Severity.INFO,
                source.replaced(module, call.flag, "False", safe=False),
            )
        for flag in source.sampled_through_batch_norm(module):
            yield self.finding(
                "training=True samples by dropout, and puts batch normalization in "
                "training mode as well: each sample moves the running statistics; call "
                "the dropout layers alone with training=True when the network is built",
                module.location(flag),
                Severity.INFO,
            )

    def _in_graphs(self, module: Module) -> Iterator[Finding]:
        """Report networks of TensorFlow 1 that are built for training alone."""
        for constant in source.constant_flags(module):
            yield self.finding(
                f"self.{constant.name} is always True, and the flag of layers in "
                f"{_in_lines(constant.lines)}: in inference too, "
                f"{_in_inference(constant.kinds)}; set it by the phase, or to your "
                "phase placeholder",
                module.location(constant.node),
                Severity.INFO if constant.optimizes else None,
            )
        for beside in source.constants_beside_phase(module):
            if beside.flag:
                yield self.finding(
                    f"is_training=True is hard-coded, where self.{beside.phase} has "
                    "the phase: in inference too, batch normalization in it uses the "
                    "statistics of the batch, and dropout drops; pass that",
                    module.location(beside.node),
                    Severity.INFO,
                )
        for own in source.own_batch_statistics(module):
            yield self.finding(
                "this normalizes with the statistics of the batch, in inference too, "
                "and keeps no others; use tf.layers.batch_normalization, or keep "
                "moving averages and use them in inference",
                module.location(own),
                Severity.INFO,
            )
        for built in source.restored_in_training(module):
            yield self.finding(
                f"{built.called} is built as in training, and only restored and run: "
                "its batch normalization uses the statistics of the batch, and its "
                "dropout drops; pass False",
                module.location(built.node),
                None if built.surely else Severity.INFO,
            )
        for run in source.in_every_mode(module):
            yield self.finding(
                f"{run.called} is run as in training in every mode of the Estimator: "
                "batch normalization uses the statistics of the batch in evaluation "
                "and prediction too, and dropout drops; pass "
                "mode == tf.estimator.ModeKeys.TRAIN",
                module.location(run.node),
                None if run.surely else Severity.INFO,
            )

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report what inference shows, and graph flags where they are honoured."""
        for path, behaviour in unflagged_behaviours(model):
            if seen := _seen(behaviour):
                yield self.finding(
                    f"run as in training in inference mode: {seen}; pass on the "
                    "`training` that `call` was given",
                    model.at(path),
                )
        if keras_of_model(model.keras_version).has(FUNCTIONAL_FLAG_IS_OVERRIDDEN):
            return
        for layer in flagged_layers(model):
            if layer.value:
                yield self.finding(
                    "called with training=True: in inference too the batch's own "
                    "statistics are used, and the running statistics move; build the "
                    "graph without the argument",
                    model.at(layer.path),
                )


def _in_evaluation(call: source.Evaluated) -> str:
    """Describe the effect on the evaluation, by what the network holds."""
    of_batch = (
        "its result depends on what else is in the batch, and the running statistics "
        "move with the test data"
    )
    if names.BATCH_NORM in call.kinds:
        return of_batch
    if names.DROPOUT in call.kinds:
        return "its dropout drops, so that the result is random"
    return f"if the network holds batch normalization, {of_batch}"


def _in_lines(numbers: tuple[int, ...]) -> str:
    """Name lines, at most three of them."""
    shown = ", ".join(map(str, numbers[:3]))
    more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
    return f"line {shown}{more}" if len(numbers) == 1 else f"lines {shown}{more}"


def _in_inference(kinds: source.Kinds) -> str:
    """Describe what runs as in training, by what is called."""
    if names.BATCH_NORM in kinds:
        return "it normalizes by the batch and moves the running statistics"
    return "it drops"


def _when_on(found: source.AlwaysOn) -> str:
    """Describe what never stops, and how to make it."""
    if found.is_function:
        return (
            f"{found.called} drops in predict too, as nothing around it asks for "
            "`training`; use a Dropout layer, unless that is meant"
        )
    return (
        f"{found.called} is run as in training by predict too: what drops or is random "
        "in it stays so; pass training=training, unless that is meant"
    )


def _when_kept(kept: source.Kept) -> str:
    """Describe the effect of the value, or of either that the constructor may get."""
    if kept.value:
        if names.BATCH_NORM in kept.kinds:
            return "it uses the batch's own statistics in predict too"
        if names.DROPOUT in kept.kinds:
            return "it drops in predict too"
    if names.BATCH_NORM in kept.kinds:
        return (
            "built with True, it uses the batch's own statistics in predict too, and "
            "with False it never updates its own"
        )
    if names.DROPOUT in kept.kinds:
        return "built with True, it drops in predict too, and with False never"
    return "if what gets it holds batch normalization or dropout, that never changes"


def _seen(behaviour: Behaviour) -> str:
    """Describe the sign, in inference, that a layer used the batch's statistics."""
    depended = "its output for one sample depends on the others of the batch"
    moved = "its running statistics move"
    both = (
        (behaviour.depended_on_batch, depended),
        (behaviour.moved_in_inference, moved),
    )
    return ", and ".join(text for happened, text in both if happened)


def _is_honoured(module: Module, flagged: source.Flagged) -> bool:
    """Whether Keras passes the flag on, and no one is to edit its constant.

    In a graph the former depends on Keras' version.
    """
    if flagged.where is source.FlagPlace.CALL:
        return True
    overridden = source.keras_for(module).has(FUNCTIONAL_FLAG_IS_OVERRIDDEN)
    return not (flagged.is_switch or overridden)


def _advice(flagged: source.Flagged) -> str:
    if flagged.of_graphs:
        return "pass your phase placeholder"
    if flagged.where is source.FlagPlace.CALL:
        return "pass training=training"
    return "leave it out"
