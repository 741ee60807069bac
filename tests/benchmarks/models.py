"""Whole training steps: models of keras.applications, stock against swapped.

    KERAS_BACKEND=tensorflow python -m tests.benchmarks.models --output models.json

Only the class of the BN layers differs. It prints a table and writes it as JSON.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
import numpy as np

from kerasbn import BatchNormalization

from .backends import BACKEND
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
        row = {"backend": BACKEND, "model": name, "jit": arguments.jit}
        results.append(row | found._asdict())
        print(
            f"{BACKEND:10} {name:15} {found.stock:9.1f} {found.ours:9.1f} ms "
            f"{found.ratio:5.2f} x ({found.low:.2f}-{found.high:.2f})",
            flush=True,
        )
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=1))


def measured(name, arguments):
    pixels, batch = arguments.pixels, arguments.batch
    rng = np.random.default_rng(0)
    x = rng.random((batch, pixels, pixels, 3), "float32")
    y = rng.integers(0, 10, batch)
    build = getattr(keras.applications, name)
    stock = build(weights=None, input_shape=x.shape[1:], classes=10)
    ours = keras.models.clone_model(stock, clone_function=swapped)
    ours.set_weights(stock.get_weights())
    for model in (stock, ours):
        model.compile(
            "sgd", "sparse_categorical_crossentropy", jit_compile=arguments.jit
        )
    return compare(
        lambda: stock.train_on_batch(x, y),
        lambda: ours.train_on_batch(x, y),
        seconds=arguments.seconds,
    )


def swapped(layer):
    """The layer's copy, ours where it is stock's BN."""
    config = layer.get_config()
    if type(layer) is keras.layers.BatchNormalization:
        return BatchNormalization.from_config(config)
    return type(layer).from_config(config)


if __name__ == "__main__":
    main()
