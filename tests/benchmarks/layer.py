"""The layer against Keras' own: forward with backward, and inference.

    KERAS_BACKEND=tensorflow python -m tests.benchmarks.layer --output tf.json

It prints a table and writes it as JSON, for `tests.benchmarks.chart`.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
import numpy as np

from kerasbn import BatchNormalization

from .backends import BACKEND, inference, tensor, training
from .measuring import compare

# Name, shape, axis. Stock takes one axis only: for several it gets the input with
# these merged into one, which is what its users would write.
CASES = {
    "4-D": ((64, 56, 56, 64), -1),
    "4-D wide": ((32, 112, 112, 32), -1),
    "2-D": ((256, 1024), -1),
    "3-D": ((64, 512, 256), -1),
    "5-D": ((8, 16, 28, 28, 64), -1),
    "channels first": ((64, 64, 56, 56), 1),
    "3-D, axis 1": ((256, 64, 196), 1),
    "small": ((8, 7, 7, 16), -1),
    "[1, 2]": ((256, 28, 28), [1, 2]),
    "[1, 2], 4-D": ((256, 28, 28, 16), [1, 2]),
    "[1, 3]": ((64, 56, 56, 64), [1, 3]),
}
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--policies", nargs="*", default=["float32"], choices=POLICIES)
    parser.add_argument("--jit", nargs="*", type=int, default=[0, 1], choices=[0, 1])
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    results = []
    for policy in arguments.policies:
        for name in arguments.cases:
            for jit in arguments.jit if BACKEND != "torch" else [0]:
                for row in measured(name, policy, jit, arguments):
                    results.append(row)
                    print(line(row), flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=1))


def measured(name, policy, jit, arguments):
    """One row each for training and for inference."""
    shape, axis = CASES[name]
    rng = np.random.default_rng(0)
    dtype = keras.DTypePolicy(policy).compute_dtype
    x, upstream = (
        tensor(rng.standard_normal(shape, "float32"), dtype) for _ in range(2)
    )
    stock, ours = layers(shape, axis, policy, arguments.options)
    modes = {
        "training": [
            training(layer, x, upstream, bool(jit)) for layer in (stock, ours)
        ],
        "inference": [inference(layer, x, bool(jit)) for layer in (stock, ours)],
    }
    for mode, pair in modes.items():
        found = compare(*pair, seconds=arguments.seconds)
        yield {
            "backend": BACKEND,
            "case": name,
            "shape": shape,
            "axis": axis,
            "policy": policy,
            "jit": bool(jit),
            "mode": mode,
            **found._asdict(),
        }


def layers(shape, axis, policy, options):
    """Stock and ours, built."""
    ours = BatchNormalization(axis, dtype=policy, **options)
    if isinstance(axis, int):
        stock = keras.layers.BatchNormalization(axis, dtype=policy, **options)
    else:
        stock = Merged(axis, dtype=policy, **options)
    for layer in (stock, ours):
        layer.build(shape)
    return stock, ours


class Merged(keras.layers.Layer):
    """Stock for several axes: these go last and become one."""

    def __init__(self, axes, dtype, **options):
        super().__init__(dtype=dtype)
        self.axes = axes
        self.stock = keras.layers.BatchNormalization(dtype=dtype, **options)

    def build(self, shape):
        reduced = [a for a in range(len(shape)) if a not in self.axes]
        self.order = [*reduced, *self.axes]
        self.ordered = [shape[a] for a in self.order]
        self.rows = (-1, int(np.prod([shape[a] for a in self.axes])))
        self.stock.build((None, self.rows[1]))

    def call(self, x, training=None):
        in_order = self.order == sorted(self.order)
        shape = x.shape
        if not in_order:
            x = keras.ops.transpose(x, self.order)
        y = self.stock(keras.ops.reshape(x, self.rows), training=training)
        if in_order:
            return keras.ops.reshape(y, shape)
        y = keras.ops.reshape(y, self.ordered)
        return keras.ops.transpose(y, list(np.argsort(self.order)))


def line(row):
    jit = "jit" if row["jit"] else "   "
    return (
        f"{row['backend']:10} {row['policy']:14} {jit} {row['mode']:9} "
        f"{row['case']:15} {row['stock']:9.3f} {row['ours']:9.3f} ms "
        f"{row['ratio']:6.2f} x ({row['low']:.2f}-{row['high']:.2f})"
    )


if __name__ == "__main__":
    main()
