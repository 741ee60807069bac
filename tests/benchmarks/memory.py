"""Extra peak memory of one training call of the layer, in tensors of its input.

    KERAS_BACKEND=tensorflow python -m tests.benchmarks.memory ours
    KERAS_BACKEND=tensorflow python -m tests.benchmarks.memory stock

One process for each: the peak of a process never falls. Input, upstream gradient,
output and gradient by the input, which any implementation holds, do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource

# Before the framework allocates: freed memory goes back to the system at once.
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", "0")

import keras
import numpy as np

from kerasbn import BatchNormalization

from .backends import tensor, training

SHAPE = (64, 112, 112, 64)
CLASSES = {"ours": BatchNormalization, "stock": keras.layers.BatchNormalization}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layer", choices=CLASSES)
    parser.add_argument("--jit", action="store_true")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    layer = CLASSES[arguments.layer]()
    layer.build(SHAPE)
    small = (8, *SHAPE[1:])
    for shape in (small, SHAPE):  # The first one loads and compiles what it needs.
        x = tensor(np.random.default_rng(0).random(shape, "float32"), "float32")
        step = training(layer, x, x, arguments.jit)
        before = in_use()
        step()
    size = 4 * np.prod(SHAPE)
    extra = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / size
    print(f"{arguments.layer}: {extra - 2:.2f} tensors besides y and dx")
    if arguments.output:
        arguments.output.write_text(json.dumps({"extra": extra - 2}))


def in_use() -> int:
    """Bytes of memory the process has now, on Linux."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
