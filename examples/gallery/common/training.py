"""Training from several seeds, and what is measured of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .backend import array, keras

if TYPE_CHECKING:
    from .data import Data


class Trainer:
    """A model that is compiled once and trained anew from each seed.

    Args:
        build: makes the model.
        rate: the learning rate of plain gradient descent.
    """

    def __init__(self, build, rate: float = 0.1) -> None:
        self._build = build
        self.model = build()
        self.model.compile(
            keras.optimizers.SGD(rate),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,
            steps_per_execution=16,
        )
        self._optimizer_start = None

    def start(self, seed: int, rate: float | None = None) -> Trainer:
        """Give the model fresh weights, and the optimizer its state at the start."""
        keras.utils.set_random_seed(seed)
        self.model.set_weights(self._build().get_weights())
        self._order = np.random.default_rng(seed)
        optimizer = self.model.optimizer
        if self._optimizer_start is None:
            optimizer.build(self.model.trainable_variables)
            self._optimizer_start = [
                array(variable) for variable in optimizer.variables
            ]
        for variable, value in zip(
            optimizer.variables, self._optimizer_start, strict=True
        ):
            variable.assign(value)
        if rate is not None:
            optimizer.learning_rate = rate
        return self

    def train(self, data: Data, steps: int, batch: int = 32, callbacks=()) -> dict:
        """Train so many more steps; give the mean loss and accuracy during them.

        Samples are drawn without replacement until all were used, then anew.
        """
        needed, chosen = steps * batch, []
        while needed > 0:
            chosen.append(self._order.permutation(len(data.x))[:needed])
            needed -= len(chosen[-1])
        index = np.concatenate(chosen)
        history = self.model.fit(
            data.x[index],
            data.y[index],
            batch_size=batch,
            shuffle=False,
            verbose=0,
            callbacks=list(callbacks),
        ).history
        return {name: values[-1] for name, values in history.items()}

    def accuracy(self, data: Data, training: bool = False) -> float:
        """Give the accuracy on what was held out, in percent."""
        return accuracy(self.model, data.x_val, data.y_val, training)


def at_best_rate(rates, seeds, measure, score):
    """Give the best learning rate, by the first two seeds, and the runs at it.

    Args:
        rates: to choose from.
        seeds: one for each run.
        measure: `measure(rate, seed)` trains and gives the result.
        score: `score(result)`, the higher the better.
    """
    trials = {rate: [measure(rate, seed) for seed in seeds[:2]] for rate in rates}
    best = max(rates, key=lambda rate: np.mean([score(run) for run in trials[rate]]))
    return best, trials[best] + [measure(best, seed) for seed in seeds[2:]]


def accuracy(model, x, y, training: bool = False) -> float:
    """Give the accuracy in percent, in inference mode or that of training.

    In training mode the layers move their statistics: they are put back.
    """
    kept = model.get_weights() if training else None
    scores = array(model(x, training=training))
    if kept is not None:
        model.set_weights(kept)
    return 100 * float(np.mean(scores.argmax(-1) == y))


def slopes_of(scalar, variables) -> list:
    """Give the gradient of what `scalar()` computes, by each of the variables."""
    if keras.backend.backend() != "tensorflow":
        raise SystemExit(
            "This script takes gradients with TensorFlow. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}. Run it with KERAS_BACKEND=tensorflow."
        )
    import tensorflow as tf

    with tf.GradientTape() as tape:
        result = scalar()
    return tape.gradient(result, [variable.value for variable in variables])


def gradients(model, x, y, variables) -> list[np.ndarray]:
    """Give the gradient of the loss in training mode, by each of the variables."""

    def loss():
        scores = model(x, training=True)
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, scores))

    return [array(slope) for slope in slopes_of(loss, variables)]
