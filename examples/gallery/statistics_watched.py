"""How do the inputs of the sigmoids move while a network is trained?

Ioffe and Szegedy (2015, figure 1) drew the inputs of a sigmoid during training. Here a
network with three hidden layers of sigmoids learns MNIST (4,000 images) with and
without batch normalization, and `lint.Watch` takes the distributions: in front of every
sigmoid stands a batch normalization layer that is watched, but whose output is thrown
away, so that the network without any can be watched, too.

**Result.** As in the paper. Without batch normalization, the spread of the inputs grows
two to four times, in a jump when the network begins to learn, and the medians wander;
with it, the spread grows by a tenth in the first two layers and by a third in the last,
by gamma alone, and the medians stay. In accuracy after 960 steps there is little
between the two (89 against 87 %): stable distributions and fast learning are not the
same thing, see *why it works*.
"""

from __future__ import annotations

import warnings

import numpy as np
from common import (
    BLUE,
    ORANGE,
    Trainer,
    command,
    keras,
    layers,
    mnist,
    panels,
    sentence,
    spread,
    table,
)
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import kerasbn
import lint

NONE, BN = "without", "with BN"
COLOURS = {NONE: ORANGE, BN: BLUE}
WIDTHS, STEPS, EVERY = [100, 100, 100], 960, 32
EARLY = 3  # looks that are taken for the beginning


class Seen(layers.Layer):
    """Hands its input on, and lets a batch normalization layer see it."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.bn = kerasbn.BatchNormalization(
            center=False, scale=False, momentum=0.9, zero_debias=True, name="seen"
        )

    def build(self, shape) -> None:
        self.bn.build(shape)

    def call(self, x, training=None):
        self.bn(x, training=training)
        return x


def run(short: bool = False) -> dict:
    """Train both networks and watch them.

    Returns:
        A dict of `accuracy`, runs by network; `at`, the steps; `inputs`, runs by
        (network, sigmoid), each the quantiles (5, 25, 50, 75 and 95 %) by step;
        `notices`, the number of warnings that `lint.Watch` gave, by network.
    """
    data = mnist().flat()
    seeds = range(1 if short else 3)
    results: dict = {"accuracy": {}, "inputs": {}, "notices": {NONE: 0, BN: 0}}
    for name in (NONE, BN):
        trainer = Trainer(lambda n=name: build(n), 0.5)
        for seed in seeds:
            watch = lint.Watch(every=EVERY, verbose=False, logs=False)
            steps = 128 if short else STEPS
            with warnings.catch_warnings():  # They are counted.
                warnings.simplefilter("ignore", lint.WatchWarning)
                trainer.start(seed).train(data, steps, 60, [watch])
            results["notices"][name] += len(watch.notices)
            results["accuracy"].setdefault(name, []).append(trainer.accuracy(data))
            seen = [layer for layer in watch.layers if layer.path.endswith("seen")]
            for number, layer in enumerate(seen, 1):
                results["at"] = [step for step, _ in layer.inputs]
                quantiles = np.array([row for _, row in layer.inputs])
                results["inputs"].setdefault((name, number), []).append(quantiles)
    return results


def build(name: str):
    """Build the network, seen before each sigmoid."""
    x = inputs = keras.Input((784,))
    for number, width in enumerate(WIDTHS, 1):
        x = layers.Dense(width, use_bias=name == NONE)(x)
        if name == BN:
            x = kerasbn.BatchNormalization(momentum=0.9, name=f"bn{number}")(x)
        x = Seen(name=f"sigmoid{number}")(x)
        x = layers.Activation("sigmoid")(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def movement(quantiles: np.ndarray) -> tuple[float, float]:
    """Sum up how a distribution moved from the first looks to the last.

    Returns:
        How far the median moved between its extremes, in spreads (25 to 75 %), and the
        factor by which the spread grew.
    """
    width = quantiles[:, 3] - quantiles[:, 1]
    growth = width[-EARLY:].mean() / width[:EARLY].mean()
    return float(np.ptp(quantiles[:, 2]) / width.mean()), float(growth)


def report(results: dict) -> str:
    """Set out the table and say what it shows."""
    moved = {
        key: np.array([movement(run) for run in runs])
        for key, runs in results["inputs"].items()
    }
    rows = [
        [
            f"{name}, sigmoid {number}",
            spread([run[:EARLY, 2].mean() for run in runs], ".2f"),
            spread([run[-EARLY:, 2].mean() for run in runs], ".2f"),
            spread(moved[name, number][:, 0], ".2f"),
            spread(moved[name, number][:, 1], ".2f"),
        ]
        for (name, number), runs in results["inputs"].items()
    ]
    growth = {
        name: [np.median(moved[name, n][:, 1]) for n in range(1, len(WIDTHS) + 1)]
        for name in (NONE, BN)
    }
    shift = {
        name: max(np.median(moved[name, n][:, 0]) for n in range(1, len(WIDTHS) + 1))
        for name in (NONE, BN)
    }
    count = len(results["accuracy"][BN])
    return "\n\n".join(
        [
            f"Inputs of the sigmoids, all units together; median (range) of {count} "
            "runs",
            table(
                ["", "median at first", "at last", "moved, in spreads", "spread grew"],
                rows,
            ),
            sentence(
                "Without batch normalization the spread of the inputs grew "
                f"{min(growth[NONE]):.1f} to {max(growth[NONE]):.1f} times and the "
                f"median moved by up to {shift[NONE]:.2f} spreads; with it, "
                f"{min(growth[BN]):.1f} to {max(growth[BN]):.1f} times and "
                f"{shift[BN]:.2f}. Validation accuracy in %: "
                f"{spread(results['accuracy'][NONE])} without, "
                f"{spread(results['accuracy'][BN])} with it. Warnings of lint.Watch: "
                f"{results['notices'][NONE]} without, {results['notices'][BN]} with it."
            ),
        ]
    )


def draw(results: dict):
    """Draw quantiles by step, a column for each sigmoid; the first run."""
    figure, axes = panels(2, len(WIDTHS), width=11, height=2.7)
    for row, name in zip(axes, (NONE, BN), strict=True):
        for number, panel in enumerate(row, 1):
            quantiles = results["inputs"][name, number][0]
            at = results["at"][: len(quantiles)]
            colour = COLOURS[name]
            for low, high, alpha in ((0, 4, 0.18), (1, 3, 0.3)):
                panel.fill_between(
                    at,
                    quantiles[:, low],
                    quantiles[:, high],
                    color=colour,
                    alpha=alpha,
                    linewidth=0,
                )
            panel.plot(at, quantiles[:, 2], color=colour)
            panel.set_title(f"{name}: sigmoid {number}", fontsize="medium")
    for column in range(len(WIDTHS)):
        pair = axes[:, column]
        low = min(panel.get_ylim()[0] for panel in pair)
        high = max(panel.get_ylim()[1] for panel in pair)
        for panel in pair:
            panel.set_ylim(low, high)
        pair[1].set_xlabel("training steps")
    for row in axes:
        row[0].set_ylabel("input of the sigmoid")
    entries = [Patch(color="gray", alpha=a) for a in (0.18, 0.48)]
    entries.append(Line2D([], [], color="gray"))
    names = ["5 to 95 %", "25 to 75 %", "median"]
    figure.legend(entries, names, loc="outside lower center", ncols=3)
    return figure


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
