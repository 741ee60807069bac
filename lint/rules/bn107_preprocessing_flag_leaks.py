"""BN107: preprocessing that puts the layers after it in training mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import keras_of_model
from ..subjects import source
from ..subjects.preprocessing import leaking_layer
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Model
    from ..subjects.source import Module


class PreprocessingFlagLeaks(Rule):
    """In a plain `model(x)`, preprocessing puts batch normalization in training mode.

    ## What it does
    Reports models in which a random augmentation layer, and from Keras 3.6 on also
    `Resizing` or `CenterCrop`, comes before batch normalization that is not frozen; in
    source, every call `model(x)` of such a model that leaves out `training`, and where
    the `call` of a class applies `Resizing` or its like before batch normalization. In
    source that is surely for Keras 3, layers whose own `call` has the default
    `training=True` count as random layers.

    ## Why is this bad
    Up to Keras 3.15 these layers assume `training=True` unless a flag is passed, and
    the layers after them inherit it: `model(x)` then normalizes with the statistics of
    the batch and moves the running ones. Not affected: `predict`, `evaluate` and
    `model(x, training=False)`.

    ## Limits
    A model that is only ever used by `fit` and `predict` is never affected. In source,
    calls that only build the model, and those inside another network, are left alone.

    ## References
    - https://keras.io/guides/preprocessing_layers/
    """

    code = "BN107"
    name = "preprocessing-flag-leaks"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(5, 2, size=(8, 6, 6, 3)).astype("float32")
augmentation = keras.layers.RandomFlip()
bn = keras.layers.BatchNormalization()
model = keras.Sequential([keras.Input((6, 6, 3)), augmentation, bn])
y = model(x)
"""
    good = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(5, 2, size=(8, 6, 6, 3)).astype("float32")
augmentation = keras.layers.RandomFlip()
bn = keras.layers.BatchNormalization()
model = keras.Sequential([keras.Input((6, 6, 3)), bn])
y = model(augmentation(x))
"""
    proof = """\
moving_mean = keras.ops.convert_to_numpy(bn.moving_mean)
healthy = bool(np.abs(moving_mean).max() == 0)  # Nothing was trained.
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every plain call of such a model, and leaks inside a `call`."""
        for call, layer in source.leaking_calls(module):
            yield self.finding(
                f"{layer} puts batch normalization in training mode here, since no "
                "phase is passed; pass training=False"
                + source.keras_for(module).caveat,
                module.location(call),
            )
        for call, layer in source.leaks_in_call(module):
            yield self.finding(
                f"in a plain model(x) {layer} puts the batch normalization after it "
                "in training mode; use keras.ops.image, which does not, or pass "
                "training=training" + source.keras_for(module).caveat,
                module.location(call),
                Severity.INFO if source.keras_for(module).assumed else None,
            )

    def check_model(self, model: Model) -> Iterator[Finding]:
        """The first such layer of a model."""
        keras = keras_of_model(model.keras_version)
        layer = leaking_layer(model, keras)
        if layer is not None:
            yield self.finding(
                f"in a plain model(x) this {layer.class_name} puts the batch "
                "normalization after it in training mode; call model(x, "
                "training=False), or preprocess outside the model",
                model.at(layer.path),
                Severity.INFO if keras.assumed else None,
            )
