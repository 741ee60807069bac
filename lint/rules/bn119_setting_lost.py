"""BN119: a setting of dropout or batch normalization that is lost on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class SettingLost(Rule):
    """A layer makes a part without the dropout rate that it is given itself.

    ## What it does
    Reports a layer or model of the project that takes a setting of dropout or batch
    normalization, such as `dropout_rate` or `bn_momentum`, and makes a layer of the
    project, which takes a setting of the same name and has a default for it, without
    it. It is silent where the same class makes another such layer with it. A function
    is reported if it has such a parameter, uses it nowhere, and calls a function of the
    project without it, or with something else: `freeze_batch_norm=freeze_backbone`.

    ## Why is this bad
    The part keeps its default whatever the caller asks for. With a rate of 0 it never
    drops, and nothing shows it: a network that overfits is all there is to see.

    ## Limits
    A part may be meant to keep its default. Settings of other names are not compared.

    ## References
    - https://github.com/keras-team/keras-hub/pull/2070
    - https://github.com/yingkaisha/keras-unet-collection/issues/16
    """

    code = "BN119"
    name = "setting-lost"
    severity = Severity.INFO
    bad = """\
import keras
import numpy as np


class Feed(keras.layers.Layer):
    def __init__(self, units, dropout_rate=0.0):
        super().__init__()
        self.dense = keras.layers.Dense(units)
        self.drop = keras.layers.Dropout(dropout_rate)

    def call(self, x, training=None):
        return self.drop(self.dense(x), training=training)


class Block(keras.layers.Layer):
    def __init__(self, units, dropout_rate=0.1):
        super().__init__()
        self.dropout_rate = dropout_rate
        self.feed = Feed(units)

    def call(self, x, training=None):
        return self.feed(x, training=training)


block = Block(8, dropout_rate=0.5)
x = np.ones((4, 8), "float32")
trained, inferred = (
    keras.ops.convert_to_numpy(block(x, training=mode)) for mode in (True, False)
)
"""
    good = bad.replace("Feed(units)", "Feed(units, dropout_rate=dropout_rate)")
    proof = """\
healthy = not np.allclose(trained, inferred)  # Something is dropped in training.
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such part and argument."""
        for lost in source.lost_settings(module):
            passed = f"pass {lost.name}={lost.name}"
            if lost.is_mixed_up:
                message = (
                    f"{lost.made} gets {lost.instead} for {lost.name}, and nothing "
                    f"uses the {lost.name} that is given here; {passed}"
                )
            else:
                message = (
                    f"{lost.made} takes {lost.name}, but does not get the one that is "
                    f"given here: it keeps its default {lost.instead}; {passed}"
                )
            yield self.finding(message, module.location(lost.node))
