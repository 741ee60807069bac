"""What `lint.Watch` costs: epochs of training with and without it, in turn.

    KERAS_BACKEND=tensorflow python -m tests.benchmarks.watching

The net is convolutional, with three BN layers. Each epoch of a pair is timed whole, so
that the first comparison of losses and the last are in it: by the clock, and by the
time of all processors, which other work on the machine disturbs less. What `Watch`
itself does is timed as well: it has the figure that noise disturbs least, in which only
what it does to the steps between is not.
"""

from __future__ import annotations

import argparse
import time
import warnings

import keras
import numpy as np
from keras import layers

import lint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=4)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", lint.WatchWarning)
    rng = np.random.default_rng(0)
    samples = arguments.steps * arguments.batch
    x = rng.random((samples, 32, 32, 3), "float32")
    y = rng.integers(0, 10, samples)
    model = network()
    options = {"batch_size": arguments.batch, "verbose": 0}
    model.fit(x[:64], y[:64], **options)

    def seconds(callbacks):
        begin = np.array([time.perf_counter(), time.process_time()])
        model.fit(x, y, callbacks=callbacks, **options)
        return np.array([time.perf_counter(), time.process_time()]) - begin

    ratios, points, shares = [], [], []
    for pair in range(arguments.pairs):
        watch = TimedWatch(verbose=False)
        first, second = ([], [watch]) if pair % 2 else ([watch], [])
        times = {len(side): seconds(side) for side in (first, second)}
        ratios.append(times[1] / times[0])
        points.append(len(watch._monitor.layers[0].points))
        shares.append(watch.seconds / (times[1][0] - watch.seconds))
        step = 1e3 * times[0] / arguments.steps
        wall, processors = ratios[-1] - 1
        print(
            f"{step[0]:6.1f} ms a step, {wall:+.1%}; {processors:+.1%}; "
            f"{shares[-1]:.1%} by itself",
            flush=True,
        )
    wall, processors = np.median(ratios, axis=0) - 1
    print(
        f"median: {wall:+.1%} by the clock, {processors:+.1%} of the processors, "
        f"{np.median(shares):.1%} by itself"
    )
    print(f"{np.median(points):.0f} samples in {arguments.steps} steps")


class TimedWatch(lint.Watch):
    """Adds up the time that its methods take, and to look at the batches.

    Without the time that they wait for earlier steps, which JAX computes meanwhile.
    """

    seconds = 0.0

    def _timed(self, function):
        def run(*arguments, **named):
            begin = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - begin

        return run

    def _wait(self, *arguments):
        begin = time.perf_counter()
        self._wait_for_steps(*(arguments or [self._value]))
        self.seconds -= time.perf_counter() - begin if arguments else 0

    def on_train_begin(self, logs=None):
        self._timed(super().on_train_begin)(logs)
        self._wait_for_steps = self._monitor._wait
        self._monitor._wait = self._wait
        self._tap._taken_from = self._timed(self._tap._taken_from)

    def on_train_batch_begin(self, batch, logs=None):
        self._timed(super().on_train_batch_begin)(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._wait()
        self._timed(super().on_epoch_end)(epoch, logs)

    def on_train_end(self, logs=None):
        self._wait()
        self._timed(super().on_train_end)(logs)


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for filters in (32, 64, 128):
        model.add(layers.Conv2D(filters, 3, strides=2, padding="same"))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


if __name__ == "__main__":
    main()
