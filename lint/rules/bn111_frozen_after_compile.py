"""BN111: layers that are frozen or unfrozen too late."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import FREEZING_NEEDS_COMPILE, FREEZING_PRECEDES_TRAINING
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module

_NOTHING_LEARNS = "neither its weights nor its running statistics"
_NO_WEIGHT_LEARNS = "none of the weights of these layers"


class FrozenAfterCompile(Rule):
    """Layers with batch normalization are frozen or unfrozen without a new `compile`.

    ## What it does
    Reports `x.trainable = ...`, for a network with batch normalization, between two
    calls of `fit` (or `train_on_batch`) of a model that is not compiled in between; in
    Keras 2 also between its `compile` and its first `fit`. Where that only restores
    what the model was compiled with, as in adversarial networks, it is left alone, and
    in Keras 3 where another model that is compiled is first trained after it.

    In Keras 2 a network that is frozen and unfrozen in a loop that trains and compiles
    nothing is reported as info: it has no effect. So is the `rate` or `momentum` of a
    layer that is set between two calls of `fit`, without `compile`; and a callback that
    sets `trainable` while `fit` runs, and compiles nothing.

    In Keras 3 it reports, as an error, `x.trainable = False` between the `compile` and
    the first training of x, if nothing unfreezes x again, also where a loop over
    `x.layers`, `setattr` or a helper does it, or a model of the same layers is frozen.
    Different functions may compile, freeze and train it, in different files, too. In
    all versions it is an error if x is frozen before its `compile`, and then trained.

    ## Why is this bad
    A model keeps training just the layers that were trainable when its training
    function was made: by `compile` in Keras 2, at the first training in Keras 3. Layers
    frozen later keep updating their weights and statistics, and layers unfrozen later
    do not learn, until `compile` is called again.

    So in Keras 3 a discriminator that is compiled, and then frozen for the combined
    model, as was right in Keras 2, never learns anything itself. Unfreeze it before
    each training of its own, and freeze it before each training of the combined model:
    each keeps what it was first trained with.

    ## Limits
    All of it must happen in the same function, in the order of the text; for the frozen
    discriminator, in files that import each other. A late change has no effect on
    TensorFlow as long as the batches keep their shape; on JAX, Keras 3 fails with an
    error instead, and on PyTorch the change takes effect at once.

    ## References
    - https://keras.io/guides/transfer_learning/
    """

    code = "BN111"
    name = "frozen-after-compile"
    severity = Severity.INFO
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
base = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
model = keras.Sequential([base, keras.layers.Dense(1)])
x = np.random.default_rng(0).normal(5, 2, size=(32, 4))
model.compile("sgd", "mean_squared_error")
model.fit(x, x[:, :1], verbose=0)
before = base.layers[0].moving_mean.numpy()
base.trainable = False
model.fit(x, x[:, :1], verbose=0)
after = base.layers[0].moving_mean.numpy()
"""
    good = bad.replace(
        "base.trainable = False",
        'base.trainable = False\nmodel.compile("sgd", "mean_squared_error")',
    )
    proof = """\
healthy = bool(np.array_equal(before, after))
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every change that comes too late."""
        for number in source.late_rates(module):
            yield self.finding(
                f"{ast.unparse(number.targets[0])} has no effect on the training "
                "function that the model already has; call compile after it",
                module.location(number),
            )
        if not module.mentions("trainable") or module.may_hide("compile("):
            return
        before_fit = source.keras_for(module).has(FREEZING_NEEDS_COMPILE)
        late = [
            *source.late_changes(module, before_fit=before_fit),
            *source.late_in_methods(module, before_fit=before_fit),
        ]
        for node, toggled in source.toggled_in_loops(module) if before_fit else ():
            if node not in late:
                yield self.finding(
                    f"{ast.unparse(toggled)}.trainable is changed in a loop that "
                    "compiles nothing, which has no effect: a model keeps what was "
                    "trainable when it was compiled; set it once, before compile, and "
                    "leave it out here",
                    module.location(node),
                    Severity.INFO,
                )
        for change, method in source.changed_in_callbacks(
            module, before_fit=before_fit
        ):
            yield self.finding(
                f"{ast.unparse(change.targets[0])} is set in {method}, while fit runs, "
                "which on TensorFlow goes on to train what was trainable when it "
                "began; end fit there, set it, call compile, and fit again",
                module.location(change),
                Severity.INFO,
            )
        for change in late:
            yield self.finding(
                f"{ast.unparse(change)} has no effect before the model is compiled "
                "again; call compile after it",
                module.location(change),
            )
        yield from self._never_learning(module)

    def _never_learning(self, module: Module) -> Iterator[Finding]:
        """Report what is frozen before its first training, and stays so."""
        keras = source.keras_for(module)
        by_compile = not keras.has(FREEZING_PRECEDES_TRAINING)
        for part, in_all_versions in source.frozen_in_parts(
            module, by_compile=by_compile
        ):
            network = ast.unparse(part.network)
            harm = _NO_WEIGHT_LEARNS if part.by_layer else _NOTHING_LEARNS
            when = "compiled" if by_compile else "first trained"
            remedy = (
                "freeze it after its compile"
                if by_compile
                else f"set {network}.trainable = True before each training of it, "
                "and False before each of a model around it"
            )
            assumed = keras.assumed and not in_all_versions
            yield self.finding(
                f"{network} is frozen when it is {when}, so that this changes "
                f"{harm}; {remedy}{keras.caveat if assumed else ''}",
                module.location(part.node),
                None if assumed else Severity.ERROR,
            )
