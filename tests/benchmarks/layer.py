"""The layer against Keras' own: forward with backward, and inference.

    KERAS_BACKEND=tensorflow python -m tests.benchmarks.layer --output tf.json

It prints a table and writes it as JSON. Beside both layers it measures a copy of the
tensor, which is two passes over memory, and on PyTorch its own batch normalization.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
import numpy as np

from kerasbn import BatchNormalization

from .backends import BACKEND, copied, inference, native, tensor, training
from .measuring import compare

# Name, shape, axis. Stock takes one axis only: for several it gets the input with
# these merged into one, which is what its users would write.
CASES = {
    "64x56x56x64": ((64, 56, 56, 64), -1),
    "32x112x112x32": ((32, 112, 112, 32), -1),
    "256x1024": ((256, 1024), -1),
    "sequence 64x512x256": ((64, 512, 256), -1),
    "volume 8x16x28x28x64": ((8, 16, 28, 28, 64), -1),
    "small 8x7x7x16": ((8, 7, 7, 16), -1),
    "axis=1, 64x64x56x56": ((64, 64, 56, 56), 1),
    "axis=1, 256x64x196": ((256, 64, 196), 1),
    "axis=[1], 64x64x56x56": ((64, 64, 56, 56), [1]),
    "axis=[1, 2], 256x28x28": ((256, 28, 28), [1, 2]),
    "axis=[1, 2], 256x28x28x16": ((256, 28, 28, 16), [1, 2]),
    "axis=[1, 3], 64x56x56x64": ((64, 56, 56, 64), [1, 3]),
}
FIRST = next(iter(CASES))
# Name, dtype policy, options of both layers.
VARIANTS = {
    "float32": ("float32", {}),
    "bfloat16": ("mixed_bfloat16", {}),
    "float16": ("mixed_float16", {}),
    "float64": ("float64", {}),
    "mask": ("float32", {}),
    "renorm": ("float32", {"renorm": True}),
    "synchronized": ("float32", {"synchronized": True}),
}
# What stock, or JAX by default, does not have.
MISSING = {"jax": {"float64", "synchronized"}, "torch": {"synchronized"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument(
        "--variants",
        nargs="*",
        default=list(VARIANTS),
        choices=VARIANTS,
        help="of the first of the cases; all others are measured in float32",
    )
    parser.add_argument("--jit", nargs="*", type=int, default=[0, 1], choices=[0, 1])
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    first, *others = arguments.cases
    known = [v for v in arguments.variants if v not in MISSING.get(BACKEND, ())]
    todo = [(first, variant) for variant in known]
    todo += [(name, "float32") for name in others]
    results = []
    for name, variant in todo:
        for jit in arguments.jit if BACKEND != "torch" else [0]:
            for row in measured(name, variant, bool(jit), arguments.seconds):
                results.append(row)
                print(line(row), flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=1))


def measured(name, variant, jit, seconds):
    """One row each for training and for inference."""
    shape, axis = CASES[name]
    policy, options = VARIANTS[variant]
    rng = np.random.default_rng(0)
    dtype = keras.DTypePolicy(policy).compute_dtype
    x, upstream = (tensor(rng.standard_normal(shape), dtype) for _ in range(2))
    mask = tensor(rng.random(shape[:-1]) < 0.8, "bool") if variant == "mask" else None
    pair = layers(shape, axis, policy, options)
    modes = {"training": [training(one, x, upstream, jit, mask) for one in pair]}
    if variant in ("float32", "bfloat16", "float16", "float64"):
        modes["inference"] = [inference(layer, x, jit) for layer in pair]
    for mode, both in modes.items():
        others = [copied(x)]
        if BACKEND == "torch" and isinstance(axis, int) and dtype == "float32":
            others.append(native(x, upstream, axis, mode))
        found = compare(*both, *others, seconds=seconds)
        copy, *natives = found.others
        yield {
            "backend": BACKEND,
            "case": name,
            "variant": variant,
            "jit": jit,
            "mode": mode,
            "stock": found.stock,
            "ours": found.ours,
            "copy": copy,
            "native": natives[0] if natives else None,
            "ratio": found.ratio,
            "low": found.low,
            "high": found.high,
        }


def layers(shape, axis, policy, options):
    """Stock and ours, built."""
    ours = BatchNormalization(axis, dtype=policy, **options)
    if not isinstance(axis, int) and len(axis) == 1:
        [axis] = axis
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
    native = f"  native {row['native']:.3f}" if row["native"] else ""
    return (
        f"{row['backend']:10} {row['variant']:12} {jit} {row['mode']:9} "
        f"{row['case']:25} {row['stock']:9.3f} {row['ours']:9.3f} ms "
        f"{row['ratio']:6.2f} x ({row['low']:.2f}-{row['high']:.2f})"
        f"  copy {row['copy']:.3f}{native}"
    )


if __name__ == "__main__":
    main()
