"""Small models for the folding tests, with statistics that are not the initial ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

L = keras.layers


def randomise(model: Any, seed: int = 0) -> Any:
    """Give every weight a value of its own; some gammas are zero or negative."""
    rng = np.random.default_rng(seed)
    for layer in model._flatten_layers():
        if isinstance(layer, L.BatchNormalization):
            _randomise_batch_norm(layer, rng)
        elif not getattr(layer, "layers", None):
            for variable in layer.trainable_variables:
                scale = 1 / np.sqrt(max(1, np.prod(variable.shape[:-1])))
                variable.assign(rng.normal(0, scale, variable.shape))
    return model


def _randomise_batch_norm(layer: Any, rng: np.random.Generator) -> None:
    shape = layer.moving_mean.shape
    layer.moving_mean.assign(rng.normal(0, 1, shape))
    layer.moving_variance.assign(rng.uniform(0.2, 3, shape))
    if layer.gamma is not None:
        gamma = rng.normal(1, 0.5, shape)
        gamma.flat[0], gamma.flat[-1] = 0, -1.5
        layer.gamma.assign(gamma)
    if layer.beta is not None:
        layer.beta.assign(rng.normal(0, 1, shape))


def sample(model: Any, seed: int = 1, batch: int = 4) -> Any:
    """Standard normal inputs for every input of a model, as its inputs are given."""
    rng = np.random.default_rng(seed)
    values: list[NDArray[Any]] = [
        rng.normal(size=(batch, *(size or 5 for size in tensor.shape[1:])))
        for tensor in model.inputs
    ]
    return values[0] if len(values) == 1 else values


def outputs(model: Any, inputs: Any) -> list[NDArray[Any]]:
    """What a model returns at inference, flat."""
    flat = keras.tree.flatten(model(inputs, training=False))
    return [keras.ops.convert_to_numpy(value) for value in flat]
