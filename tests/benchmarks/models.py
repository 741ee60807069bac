"""Whole training steps: models of keras.applications, stock against swapped.

    KERAS_BACKEND=tensorflow python -m tests.benchmarks.models --output models.json

Only the class of the BN layers differs. Beside stock and ours it measures the batch
normalization that the backend has, bare of all guards and with plain updates, and the
model without any. It prints a table and writes it as JSON.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
import numpy as np

from kerasbn import BatchNormalization

from .backends import BACKEND, Bare
from .measuring import compare

MODELS = ("MobileNetV2", "ResNet50", "EfficientNetB0", "DenseNet121")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--models", nargs="*", default=MODELS, choices=MODELS)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pixels", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--jit", action="store_true")
    arguments = parser.parse_args()
    results = []
    for name in arguments.models:
        found = measured(name, arguments)
        bare, without = found.others
        row = {
            "backend": BACKEND,
            "model": name,
            "jit": arguments.jit,
            **found._asdict(),
            "bare": bare,
            "without": without,
            "of_bare": found.other_ratios[0],
        }
        results.append(row)
        print(line(row), flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=1))


def measured(name, arguments):
    pixels, batch = arguments.pixels, arguments.batch
    rng = np.random.default_rng(0)
    x = rng.random((batch, pixels, pixels, 3), "float32")
    y = rng.integers(0, 10, batch)
    build = getattr(keras.applications, name)
    stock = build(weights=None, input_shape=x.shape[1:], classes=10)
    models = [stock]
    for replacement in (BatchNormalization, Bare, Nothing):
        model = keras.models.clone_model(stock, clone_function=swapped(replacement))
        if replacement is not Nothing:
            model.set_weights(stock.get_weights())
        models.append(model)
    for model in models:
        model.compile(
            "sgd", "sparse_categorical_crossentropy", jit_compile=arguments.jit
        )
    steps = [lambda model=model: model.train_on_batch(x, y) for model in models]
    return compare(*steps, seconds=arguments.seconds)


def swapped(replacement):
    """A function that copies a layer, as another class where it is stock's BN."""

    def copy(layer):
        config = layer.get_config()
        if type(layer) is keras.layers.BatchNormalization:
            return replacement.from_config(config)
        return type(layer).from_config(config)

    return copy


class Nothing(keras.layers.BatchNormalization):
    """In the place of batch normalization, without weights."""

    def build(self, input_shape):
        pass

    def call(self, inputs, training=None, mask=None):
        return inputs


def line(row):
    of_bare, low, high = row["of_bare"]
    return (
        f"{row['backend']:10} {row['model']:15} stock {row['stock']:.1f}, "
        f"ours {row['ours']:.1f}, bare {row['bare']:.1f}, without {row['without']:.1f} "
        f"ms; of stock {row['ratio']:.2f} ({row['low']:.2f}-{row['high']:.2f}), "
        f"of bare {of_bare:.2f} ({low:.2f}-{high:.2f}), "
        f"cost removed {removed(row):.0%}"
    )


def removed(row):
    """How much of what BN costs in a step of stock is gone."""
    return (row["stock"] - row["ours"]) / (row["stock"] - row["without"])


if __name__ == "__main__":
    main()
