"""BN211: one pair of statistics for several inputs."""

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


class SharedByInputs(Rule):
    """A network with batch normalization reads several inputs, or a layer is reused.

    ## What it does
    Reports, as info, that a network with batch normalization is called on a second
    `keras.Input` of the same graph, on a second item of the inputs of a `call`, or in
    training mode on a second item of the data of a `train_step`, unless these are views
    by their names; and that one batch normalization layer is applied at several places
    of a network. In the graph of a saved or live model, it reports the layers that are
    called several times when the model is called once, and are not frozen.

    ## Why is this bad
    In training each call is normalized by its own batch, in inference all by one pair
    of statistics: if the inputs are not alike, these fit neither, and no recalibration
    helps. Give each input batch normalization of its own.

    ## Limits
    Neither source nor model says whether the inputs are alike, as two images in a
    Siamese network are. `lint.diagnose` and `lint.Watch` compare them.

    ## References
    - https://github.com/keras-team/keras/issues/11927
    """

    code = "BN211"
    name = "shared-by-inputs"
    severity = Severity.INFO
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)


def build():
    return keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])


branch = build()
other = branch
left, right = keras.Input((4,)), keras.Input((4,))
outputs = keras.layers.Concatenate()([branch(left), branch(right)])
model = keras.Model([left, right], outputs)
model.compile("sgd", "mean_squared_error")
rng = np.random.default_rng(0)
photo, sketch = rng.normal(5, 1, size=(320, 4)), rng.normal(-5, 1, size=(320, 4))
model.fit([photo, sketch], np.zeros((320, 8)), epochs=60, verbose=0)
"""
    good = bad.replace("other = branch", "other = build()").replace(
        "branch(right)", "other(right)"
    )
    proof = """\
means = branch.layers[0].moving_mean, other.layers[0].moving_mean
shifts = [
    np.abs(keras.ops.convert_to_numpy(mean) - data.mean(axis=0)).max()
    for mean, data in zip(means, (photo, sketch))
]
healthy = bool(max(shifts) < 1)
"""

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every layer that is called several times."""
        for layer in model.batch_norms:
            if layer.calls is not None and layer.calls > 1 and not layer.frozen:
                yield self.finding(
                    f"called {layer.calls} times in one call of the model, with one "
                    "pair of statistics: if its inputs are not alike, inference "
                    "differs from training, which no recalibration cures; "
                    "lint.diagnose compares them",
                    model.at(layer.path),
                )

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every second call on another input."""
        for call in source.shared_by_inputs(module):
            yield self.finding(
                "its batch normalization keeps one pair of statistics for several "
                "inputs; if these are not alike, inference differs from training, "
                "which no recalibration cures: give each input its own batch "
                "normalization",
                module.location(call),
            )
        for call in source.reused_layers(module):
            yield self.finding(
                "this batch normalization is applied at several places and keeps one "
                "pair of statistics for all: if what it gets there is not alike, "
                "inference differs from training; make one layer for each place",
                module.location(call),
            )
