"""BN113: layers in a model's `call` that the flag does not reach on JAX."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import FIT_ON_JAX_BYPASSES_CALLING, keras_of_model
from ..subjects import source
from ..subjects.flagged_layers import unflagged_behaviours
from .harm import harm
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Model
    from ..subjects.source import Module


class TrainingFlagNotPassedOn(Rule):
    """On JAX, a model's `call` takes `training` and does not pass it on to a layer.

    ## What it does
    Reports, in the `call` of a model class that is fitted on JAX, each call of a layer
    that holds batch normalization, dropout, noise or random augmentation and does not
    get `training`. The source is for JAX if it, or the file that fits the model, sets
    `KERAS_BACKEND` so, or imports JAX and neither TensorFlow nor PyTorch.

    In any Keras, a layer called without the phase in a `call` where another gets
    `training=training` is reported as info: it usually inherits the phase. So is the
    first of them where the `call` of a layer takes `training` and never uses it; a
    layer that a method, a mixin or a function runs which has no parameter for the
    phase; and a call of a method that leaves the phase at a default which the method
    passes on, or at True. The `call` may be that of a base class in another file, and
    layers may be passed in, found by a name or held by computed attributes. A flag by
    position is reported as info, too, where the source is surely for Keras 3, in which
    layers take only tensors so. A flag that goes to an activation around a layer, and
    not to the layer, is a warning where the method has no `training` to be inherited. A
    call of a base class's `call` without the flag is a warning: it runs as a plain
    method, whose default is what its layers get.

    A live model is also run once on random inputs, as `fit` runs it, and left as it
    was, if the backend that is loaded is JAX.

    ## Why is this bad
    On JAX, `fit`, like `stateless_call`, runs the `call` of the outermost model by
    itself, so that its layers do not inherit the flag as they do on TensorFlow and
    PyTorch: the running statistics never move and dropout never drops. Pass
    `training=training` to each; the layers inside these then inherit it.

    ## Fix
    Passes `training=training`, where `call` has it and the layer takes it.

    ## Limits
    Models that a function passes to another file are not seen to be fitted there.

    ## References
    - https://keras.io/guides/custom_train_step_in_jax/
    """

    code = "BN113"
    name = "training-flag-not-passed-on"
    severity = Severity.ERROR
    live_only = True  # Of models; a saved one does not hold the class.
    backend = "jax"
    bad = """\
import os

os.environ["KERAS_BACKEND"] = "jax"
import keras
import numpy as np

keras.utils.set_random_seed(0)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(1)

    def call(self, x, training=None):
        return self.head(self.bn(x))


model = Net()
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(32, 4))
model.fit(x, x[:, :1], verbose=0)
"""
    good = bad.replace("self.bn(x)", "self.bn(x, training=training)")
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.bn.moving_mean)
healthy = bool(np.abs(moving_mean).max() > 0)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such call, and those beside others that get the flag."""
        if not module.mentions("def call", "training=True"):
            return
        yield from self._left_out(module)
        yield from self._misplaced(module)
        yield from self._in_base_calls(module)
        if source.keras_for(module).has(FIT_ON_JAX_BYPASSES_CALLING):
            yield from self._on_jax(module)

    def _left_out(self, module: Module) -> Iterator[Finding]:
        """Report calls without the flag that others beside them get."""
        for left in source.left_out(module):
            if left.default is not None:
                yield self.finding(
                    f"{ast.unparse(left.call.func)} does not get `training` in this "
                    f"call and {_at_default(left.default)}; pass training=training",
                    module.location(left.call),
                    Severity.INFO,
                )
                continue
            yield self.finding(
                f"{left.layer or ast.unparse(left.call.func)} does not get `training`, "
                f"{_how(left)}: "
                "where `call` is run by itself, as by network.call(...) or by fit on "
                "JAX, it stays in inference mode; pass training=training",
                module.location(left.call),
                Severity.INFO,
            )

    def _misplaced(self, module: Module) -> Iterator[Finding]:
        """Report flags that go to something else, or by position."""
        for misplaced in source.misplaced_flags(module):
            layer = ast.unparse(misplaced.call.func)
            yield self.finding(
                f"training goes to {misplaced.given_to}, which ignores it, and not to "
                f"{layer}: {harm(misplaced.kinds)}; move it into the call of {layer}",
                module.location(misplaced.flag),
                Severity.WARNING,
            )
        for call, flag in source.placed_flags(module):
            yield self.finding(
                f"{ast.unparse(call.func)} gets its flag by position, where Keras 3 "
                "takes only tensors: True or False raises a ValueError, in fit, too; "
                f"pass training={ast.unparse(flag)}",
                module.location(flag),
                Severity.INFO,
            )

    def _in_base_calls(self, module: Module) -> Iterator[Finding]:
        """Report calls of a base class's `call` that leave it at its default."""
        keras = source.keras_for(module)
        for base in source.base_calls(module):
            unsure = keras.assumed and base.default.value is None
            caveat = keras.caveat if unsure else ""
            yield self.finding(
                f"{ast.unparse(base.call.func)} runs as a plain method, without the "
                f"phase, and passes its default {base.default.value!r} on: "
                f"{harm(base.kinds)}; pass training=training{caveat}",
                module.location(base.call),
                Severity.INFO if unsure else Severity.WARNING,
            )

    def _on_jax(self, module: Module) -> Iterator[Finding]:
        """Report calls that get no phase from `fit` on JAX."""
        for unflagged in source.unflagged_on_jax(module):
            yield self.finding(
                "on JAX, fit does not pass the phase on to this call, which gets no "
                f"flag: {harm(unflagged.kinds)}; pass training=training",
                module.location(unflagged.call),
                fix=source.flag_passed_on(module, unflagged),
            )

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report layers of a live model that got no flag in its run, on JAX alone."""
        if model.live is None or not keras_of_model(model.keras_version).has(
            FIT_ON_JAX_BYPASSES_CALLING
        ):
            return
        compiled = bool(getattr(model.live, "compiled", False))
        for path, behaviour in unflagged_behaviours(model):
            if behaviour.moved_if_called:
                yield self.finding(
                    "its running statistics did not move when the model was run as "
                    "fit runs it on JAX, and do so when the model is called: its call "
                    "does not pass `training` on; pass training=training",
                    model.at(path),
                    None if compiled else Severity.WARNING,
                )


def _at_default(default: ast.Constant) -> str:
    if default.value is True:
        return "takes its default True: it acts as in training in inference, too"
    return (
        f"gives its layers its default {default.value!r}: they stay in inference mode "
        "in training, too"
    )


def _how(left: source.LeftOut) -> str:
    if left.helper:
        return f"as {left.helper} has no such parameter"
    return f"as {left.beside} does" if left.beside else "which nothing here uses"
