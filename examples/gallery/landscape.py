"""Loss and gradient of a network around its weights, for `why_it_works.py`."""

from __future__ import annotations

import numpy as np
from common import array, keras, layers, slopes_of


class Noise(layers.Layer):
    """Shifts and stretches each unit anew in every step of training.

    The distribution of the noise itself changes from step to step, for each unit on its
    own, so that nothing that the next layer sees is stable: Santurkar et al. (2018),
    appendix A, with their constants.
    """

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.random = keras.random.SeedGenerator(0)

    def call(self, x, training=None):
        if not training:
            return x
        units = (1, x.shape[-1])
        uniform, normal = keras.random.uniform, keras.random.normal
        shift = uniform(units, -0.5, 0.5, seed=self.random)
        stretch = uniform(units, 1.0, 1.25, seed=self.random)
        shape = keras.ops.shape(x)
        shift += uniform(shape, -0.1, 0.1, seed=self.random)
        stretch += normal(shape, 0.0, 0.1, seed=self.random)
        return stretch * x + shift


class Landscape:
    """A model's loss and gradient in training mode on one batch, at any weights.

    Args:
        model: the model.
        watched: names of layers whose outputs are wanted, too.
    """

    def __init__(self, model, watched: list[str]) -> None:
        self.model = model
        self._variables = model.trainable_variables
        outputs = [model.get_layer(name).output for name in watched]
        self._inside = keras.Model(model.input, [*outputs, model.output])
        self._noises = [layer for layer in model.layers if isinstance(layer, Noise)]
        self._compiled = _compiled(self._loss_and_slopes)
        self.noise_seed = 0

    @property
    def weights(self) -> list[np.ndarray]:
        """The trainable weights now."""
        return [array(variable).copy() for variable in self._variables]

    @property
    def kernels(self) -> list[int]:
        """Where in the weights the matrices of the hidden layers are."""
        names = [variable.path for variable in self._variables]
        return [
            index
            for index, name in enumerate(names)
            if name.startswith("dense") and name.endswith("kernel")
        ]

    def at(self, weights: list[np.ndarray], x, y):
        """Give the loss, the gradient by each weight, and the watched outputs."""
        for variable, value in zip(self._variables, weights, strict=True):
            variable.assign(value)
        for noise in self._noises:
            noise.random.state.assign([self.noise_seed, 0])
        loss, slopes, *outputs = self._compiled(
            keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
        )
        return (
            float(loss),
            [array(slope) for slope in slopes],
            [array(o) for o in outputs],
        )

    def _loss_and_slopes(self, x, y):
        kept: list = []

        def scalar():
            *outputs, scores = self._inside(x, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(y, scores)
            kept.extend([keras.ops.mean(losses), outputs])
            return kept[0]

        slopes = slopes_of(scalar, self._variables)
        return kept[0], slopes, *kept[1]


def _compiled(function):
    """Compile a function of tensors."""
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function)


def norm(slopes: list[np.ndarray]) -> float:
    """Give the Euclidean norm of a list of arrays."""
    return float(np.sqrt(sum((slope.astype(float) ** 2).sum() for slope in slopes)))


def moved(weights, slopes, rate: float, only: range | list[int] | None = None):
    """Take a step down the slopes: of all weights, or of those with these numbers."""
    return [
        weight - rate * slope if only is None or index in only else weight
        for index, (weight, slope) in enumerate(zip(weights, slopes, strict=True))
    ]


def chain(depth: int, weight: float, rate: float) -> dict[str, float]:
    """Take a step down the product of `depth` equal weights, one neuron a layer.

    Returns:
        Changes relative to the product: `first`, that of first order, which gradient
        descent counts on; `second`, that of second order; `all`, the change when all
        weights move at once; `single`, the sum of the changes when only one moves.
    """
    weights = np.full(depth, weight)
    product = weights.prod()
    slope = product / weights
    alone = [
        (np.where(np.arange(depth) == i, weights - rate * slope, weights)).prod()
        - product
        for i in range(depth)
    ]
    share = rate * slope / weights  # how much of itself each weight loses
    pairs = (share.sum() ** 2 - (share**2).sum()) / 2
    return {
        "first": float(-rate * (slope**2).sum() / product),
        "second": float(pairs),
        "all": float((weights - rate * slope).prod() / product - 1),
        "single": float(sum(alone) / product),
    }
