"""BN215: `Normalization` layers that were not adapted to data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Model
    from ..subjects.source import Module


class NormalizationNotAdapted(Rule):
    """A `Normalization` layer was not adapted to data, or to constant features.

    ## What it does
    Reports `keras.layers.Normalization()` without a mean and a variance in a project
    that trains, and neither calls `adapt` nor loads weights; and the layer in a saved
    or live model if its statistics are the initial ones. As info, such a layer in a
    model that adapted to features that did not vary.

    ## Why is this bad
    Unlike batch normalization, the layer learns nothing in `fit`. Until `adapt(data)`
    is called its mean is 0 and its variance 1, and it passes its input on as it is,
    without a word. Where a feature was constant, its variance is 0, and a value that
    differs from that constant is multiplied by up to ten million.

    ## Limits
    In source, any call of `adapt` in the project counts for all layers.

    ## References
    - https://keras.io/api/layers/preprocessing_layers/numerical/normalization/
    - https://github.com/keras-team/keras/issues/20011
    - https://github.com/ageron/handson-ml3/issues/198
    """

    code = "BN215"
    name = "normalization-not-adapted"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

x = np.random.default_rng(0).normal(50, 20, size=(400, 4))
normalization = keras.layers.Normalization()
model = keras.Sequential([keras.Input((4,)), normalization, keras.layers.Dense(1)])
model.compile("adam", "mean_squared_error")
model.fit(x, x[:, :1], verbose=0)
"""
    good = bad.replace(
        "normalization = keras.layers.Normalization()",
        "normalization = keras.layers.Normalization()\nnormalization.adapt(x)",
    )
    proof = """\
normalized = keras.ops.convert_to_numpy(model.layers[0](x.astype("float32")))
healthy = bool(np.abs(normalized.mean()) < 0.1)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such layer in a project that adapts none."""
        for call in source.unadapted_normalizations(module):
            yield self.finding(
                "Normalization is never adapted: its mean is 0, its variance 1, and it "
                "passes its input on as it is; call adapt(data) before training, or "
                "give mean and variance",
                module.location(call),
            )

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every such layer, and those that adapted to constant features."""
        for layer in model.data_normalizations:
            if not layer.is_adapted:
                yield self.finding(
                    "never adapted: its mean is 0, its variance 1, and it passes its "
                    "input on as it is; call adapt(data) before training",
                    model.at(layer.path),
                )
            elif count := layer.constant_features:
                features = "feature was" if count == 1 else "features were"
                yield self.finding(
                    f"{count} {features} constant in the data it adapted to: a value "
                    "that differs is multiplied by up to ten million; leave the "
                    "features out, or give mean and variance",
                    model.at(layer.path),
                    Severity.INFO,
                )
