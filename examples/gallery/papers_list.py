"""Which of the other tricks can go, once there is batch normalization?

Ioffe and Szegedy (2015, section 4.2.1) leave out dropout and local response
normalization, weaken the L2 penalty, let the learning rate decay faster and make it
larger. Here a small convolutional network learns from 400 digits with and without batch
normalization, and beside it with and without each of dropout, an L2 penalty, a faster
decay of the learning rate, and local response normalization.

**Result.** All of them can go: nothing lifts the 96 % of batch normalization alone by
more than a few tenths, and dropout costs as much. But the network without it does not
need them either; what differs is how much harm they do. A fast decay costs half a point
with batch normalization and seven without, local response normalization nothing with
and eleven points without: it makes the activations small, which batch normalization
undoes. Batch normalization itself is worth nearly three points, and helps in every run.
"""

from __future__ import annotations

import numpy as np
from common import (
    BLACK,
    BLUE,
    ORANGE,
    Trainer,
    array,
    at_best_rate,
    command,
    convolutional,
    digits,
    keras,
    layers,
    panels,
    sentence,
    spread,
    table,
)

SAMPLES, STEPS, RATES = 400, 300, [0.05, 0.2]
PARTS = 6  # of a training; the rate decays from one to the next
NOTHING, DROPOUT, L2, DECAY, LRN = (
    "nothing else",
    "dropout 0.2",
    "L2 penalty 0.001",
    "decay 6 times as fast",
    "local response norm.",
)
TRICKS = [NOTHING, DROPOUT, L2, DECAY, LRN]


class LocalResponse(layers.Layer):
    """Divides by the activity of 5 neighbouring channels, as AlexNet does."""

    def call(self, x):
        squares = keras.ops.square(x)[..., None]
        shape = keras.ops.shape(x)
        flat = keras.ops.reshape(squares, (-1, shape[-1], 1))
        means = keras.ops.average_pool(flat, 5, strides=1, padding="same")
        # 2 + 0.1 * (sum of squares), with the constants scaled to so few channels.
        return x / (2 + 0.5 * keras.ops.reshape(means, shape)) ** 0.75


def run(short: bool = False) -> dict:
    """Train with and without each, at the better of two learning rates.

    Returns:
        A dict of `accuracy`, `loss` and `training`, runs by (trick, norm): accuracy and
        loss in validation, and accuracy during the last steps; and `rate`.
    """
    data = digits().part(SAMPLES)
    seeds = range(1 if short else 5)
    tricks = [NOTHING, LRN] if short else TRICKS
    results: dict = {"accuracy": {}, "loss": {}, "training": {}, "rate": {}}
    for norm in ("before", None):
        for trick in tricks:
            trainer = Trainer(lambda n=norm, t=trick: build(n, t))
            results["rate"][trick, norm], runs = at_best_rate(
                RATES[1:] if short else RATES,
                seeds,
                lambda rate, seed, trainer=trainer, trick=trick: learn(
                    trainer, data, seed, rate, trick, 30 if short else STEPS
                ),
                score=lambda run: run[0],
            )
            columns = zip(*runs, strict=True)
            for name, values in zip(
                ("accuracy", "loss", "training"), columns, strict=True
            ):
                results[name][trick, norm] = values
    return results


def build(norm: str | None, trick: str):
    """Build the network: 3 x 3 convolutions of 16 and 32 channels."""
    penalty = keras.regularizers.L2(1e-3) if trick == L2 else None
    behind = {DROPOUT: lambda: layers.Dropout(0.2), LRN: LocalResponse}.get(trick)
    return convolutional(
        [16, 32], norm=norm, after_activation=behind, kernel_regularizer=penalty
    )


def learn(trainer: Trainer, data, seed: int, rate: float, trick: str, steps: int):
    """Train at a decaying rate; give accuracy, loss and training accuracy."""
    trainer.start(seed)
    half_life = steps / (12 if trick == DECAY else 2)
    for part in range(PARTS):
        now = rate * 0.5 ** (part * steps / PARTS / half_life)
        trainer.model.optimizer.learning_rate = now
        last = trainer.train(data, steps // PARTS)
    scores = array(trainer.model(data.x_val, training=False))
    right = scores[np.arange(len(scores)), data.y_val]
    loss = float(-np.log(np.maximum(right, 1e-30)).mean())
    return trainer.accuracy(data), loss, 100 * last["accuracy"]


def report(results: dict) -> str:
    """Set out the table and say what it shows."""
    tricks = list(dict.fromkeys(trick for trick, _ in results["accuracy"]))
    rows = [
        [
            f"{trick}, {'BN' if norm else 'no BN'}",
            f"{results['rate'][trick, norm]:g}",
            spread(results["training"][trick, norm]),
            spread(results["accuracy"][trick, norm]),
            spread(results["loss"][trick, norm], ".3f"),
        ]
        for norm in ("before", None)
        for trick in tricks
    ]
    middle = {key: np.median(runs) for key, runs in results["accuracy"].items()}
    changes = [
        f"{trick} {middle[trick, 'before'] - middle[NOTHING, 'before']:+.1f} with and "
        f"{middle[trick, None] - middle[NOTHING, None]:+.1f} without"
        for trick in tricks[1:]
    ]
    wins = sum(
        a > b
        for a, b in zip(
            results["accuracy"][NOTHING, "before"],
            results["accuracy"][NOTHING, None],
            strict=True,
        )
    )
    count = len(results["accuracy"][NOTHING, None])
    return "\n\n".join(
        [
            "The digits at the better of two learning rates; median (range) of "
            f"{count} runs",
            table(["", "rate", "training %", "validation %", "validation loss"], rows),
            sentence(
                "Batch normalization alone takes validation from "
                f"{middle[NOTHING, None]:.1f} to {middle[NOTHING, 'before']:.1f} %, "
                f"and is better in {wins} of {count} runs. In points of accuracy, with "
                f"and without batch normalization: {'; '.join(changes)}."
            ),
        ]
    )


def draw(results: dict):
    """Draw accuracy and loss of every run, by what stood beside."""
    tricks = list(dict.fromkeys(trick for trick, _ in results["accuracy"]))
    figure, axes = panels(1, 2, width=11, height=3.9)
    for panel, name, label in zip(
        axes[0],
        ("accuracy", "loss"),
        ("validation accuracy in %", "validation loss"),
        strict=True,
    ):
        for shift, norm, colour in ((-0.14, "before", BLUE), (0.14, None, ORANGE)):
            for place, trick in enumerate(tricks):
                runs = results[name][trick, norm]
                at = place + shift
                shown = None if place else ("with BN" if norm else "without")
                panel.plot(
                    runs,
                    [at] * len(runs),
                    "o",
                    color=colour,
                    ms=5,
                    alpha=0.6,
                    label=shown,
                )
                panel.vlines(np.median(runs), at - 0.13, at + 0.13, color=BLACK)
        panel.set_yticks(range(len(tricks)), tricks if name == "accuracy" else [])
        panel.invert_yaxis()
        panel.set_xlabel(label)
    axes[0, 1].set_xscale("log")
    ticks = [0.1, 0.2, 0.5, 1.0, 2.0]
    low, high = axes[0, 1].get_xlim()
    axes[0, 1].set_xticks(ticks, map(str, ticks))
    axes[0, 1].set_xticks([], minor=True)
    axes[0, 1].set_xlim(low, high)
    axes[0, 0].legend(loc="best", fontsize="small")
    return figure


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
