"""BN112: batch normalization that no model tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Model
    from ..subjects.source import Module


class BatchNormInLambda(Rule):
    """Batch normalization is called in the function of a `Lambda` layer.

    ## What it does
    Reports batch normalization, or a network that holds it, that is called inside
    `keras.layers.Lambda`. Networks that are frozen, or called with `training=False`,
    are left alone.

    ## Why is this bad
    A `Lambda` layer does not track the layers that its function uses: gamma and beta
    are never trained, and the running statistics are never saved, so a loaded model
    normalizes with statistics other than those of the trained one. Call the layer
    itself, or write a layer of your own that holds it.

    ## Limits
    In a live model only the function's own variables, defaults and globals are
    examined, not what it may reach through them.

    ## References
    - https://keras.io/api/layers/core_layers/lambda/
    """

    code = "BN112"
    name = "batch-norm-in-lambda"
    severity = Severity.ERROR
    live_only = True  # A saved one holds the function as bytecode, which is not read.
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
bn = keras.layers.BatchNormalization()
bn.build((None, 4))
inputs = keras.Input((4,))
hidden = keras.layers.Lambda(lambda x: bn(x))(inputs)
model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(32, 4))
model.fit(x, x[:, :1], verbose=0)
"""
    good = bad.replace("keras.layers.Lambda(lambda x: bn(x))(inputs)", "bn(inputs)")
    proof = """\
gamma = keras.ops.convert_to_numpy(bn.gamma)
healthy = bool(np.abs(gamma - 1).max() > 0)  # It was trained.
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such call, or the function where it is in another file."""
        if not module.mentions("Lambda"):
            return
        for place in source.batch_norms_in_lambda(module):
            yield self.finding(
                "batch normalization inside Lambda is not tracked: its weights are "
                "neither trained nor saved with the model; call the layer itself, or "
                "write a layer that holds it",
                module.location(place),
            )

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every Lambda layer of a live model that holds such a layer."""
        if model.live is None:
            return
        tracked = {id(sublayer) for sublayer in model.live._flatten_layers()}
        for path, layer in _lambdas(model.live, ""):
            used = [
                sublayer
                for sublayer in _used(layer.function)
                if id(sublayer) not in tracked
            ]
            if any(_holds_batch_norm(sublayer) for sublayer in used):
                yield self.finding(
                    "the function calls batch normalization that the model does not "
                    "track: its weights are neither trained nor saved; call the layer "
                    "itself, or write a layer that holds it",
                    model.at(path),
                )


def _lambdas(parent: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every Lambda layer at any depth, with its path."""
    for layer in parent._flatten_layers(include_self=False, recursive=False):
        below = f"{path}/{layer.name}" if path else layer.name
        if _is(layer, "Lambda") and callable(getattr(layer, "function", None)):
            yield below, layer
        yield from _lambdas(layer, below)


def _is(layer: Any, name: str) -> bool:
    """Whether it is an instance of that class of Keras; Keras is not imported here."""
    return any(
        base.__name__ == name and base.__module__.startswith("keras.")
        for base in type(layer).__mro__
    )


def _used(function: Any) -> Iterator[Any]:
    """The objects that a function refers to by name, as far as they are set."""
    if _is_layer(function):
        yield function
    code = getattr(function, "__code__", None)
    if code is None:
        return
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # Not set yet.
            continue
    yield from function.__defaults__ or ()
    names = function.__globals__
    yield from (names[name] for name in code.co_names if name in names)


def _is_layer(value: Any) -> bool:
    return _is(value, "Layer") and hasattr(value, "_flatten_layers")


def _holds_batch_norm(value: Any) -> bool:
    """Whether it is a layer, or holds one, that is BN and learns."""
    return _is_layer(value) and any(
        _is(layer, "BatchNormalization") and layer.trainable
        for layer in value._flatten_layers()
    )
