"""BN120: batch normalization or dropout whose result reaches nothing."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module

_MESSAGES = {
    "NOT_ADDED": (
        "this {kind} is made, but no network gets it; write model.add({text}), or call "
        "it and use its result, as x = {text}(x)"
    ),
    "NOT_CALLED": (
        "nothing reads {name}, so this {kind} has no effect; call it and use its "
        "result, or remove it"
    ),
    "DROPPED": (
        "the result of this {kind} is dropped, and {instead} goes on as it was; write "
        "{instead} = {text}"
    ),
    "NOT_READ": (
        "nothing reads {name}, so this {kind} has no effect: what follows reads "
        "{instead}; let it read {name}"
    ),
    "PASSES_OVER": (
        "this {kind} reads {instead}, and nothing reads {name}, which the layer before "
        "it has just made: that layer is skipped; let this read {name}"
    ),
    "NEVER_CALLED": (
        "nothing calls self.{name}, so this {kind} has no effect; call it and use its "
        "result, or remove it"
    ),
    "NOT_FED": (
        "nothing is fed {name}, so this {kind} has no effect: what follows is fed "
        "{instead}; feed it {name}"
    ),
}


_LONGEST = 60  # characters of code in a message


class ResultUnused(Rule):
    """The result of batch normalization or dropout reaches nothing.

    ## What it does
    Reports batch normalization, dropout and noise that a network is written with but
    does not use: a layer that is made by a statement of its own, or kept under a name
    that nothing reads; a layer that is called and whose result is dropped, or gets a
    name that nothing reads, while the tensor that it was given goes on; and one that
    reads another tensor than the layer before it has just made, which nothing else
    reads. Layers of Keras, functions of TensorFlow 1, layers of the project that extend
    or wrap them, and functions named for it that return what they compute are all
    known. A layer that a class keeps and never calls may be a leftover, and is info,
    unless it is batch normalization beside others that the class calls.

    ## Why is this bad
    The network is trained and used without that layer, and nothing fails. Layers do not
    change the tensor that they are given, and Keras adds no layer to a network by
    itself.

    ## Limits
    Not reported are layers that are called to build them or to move their statistics
    (with `training=True`, or where something else is asked of the layer), layers that
    are made where no network is, code in tests and under `if __name__ == "__main__"`,
    and names that another file, a closure or `locals()` may read.

    ## References
    - https://keras.io/guides/functional_api/
    """

    code = "BN120"
    name = "result-unused"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(5, 2, size=(64, 4)).astype("float32")


def network():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, use_bias=False)(inputs)
    keras.layers.BatchNormalization()(hidden)
    return keras.Model(inputs, keras.layers.Activation("linear")(hidden))


model = network()
model.compile("sgd", "mean_squared_error")
"""
    good = bad.replace("    keras.layers.Batch", "    hidden = keras.layers.Batch")
    proof = """\
outputs = keras.ops.convert_to_numpy(model(x, training=True))
healthy = bool(np.abs(outputs.mean(0)).max() < 0.01)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such layer."""
        for found in (
            *source.unused_results(module),
            *source.uncalled_members(module),
            *source.unfed_nodes(module),
        ):
            message = _MESSAGES[found.loss.name].format(
                kind=found.kind,
                name=found.name,
                instead=found.instead,
                text=_shortened(found.node),
            )
            yield self.finding(
                message,
                module.location(found.node),
                None if found.is_sure else Severity.INFO,
            )


def _shortened(node: ast.expr) -> str:
    text = ast.unparse(node)
    if isinstance(node, ast.Call) and len(text) > _LONGEST:
        return f"{ast.unparse(node.func)}(...)"
    return text
