"""How many nines should momentum have?

The running statistics are a moving average over about 1/(1 - momentum) batches, and
start at mean 0 and variance 1. So a large momentum needs many steps, and a small one
listens to the last few batches only. The usual advice is "more nines for larger data
and smaller batches". Here a network with three batch normalization layers learns MNIST
(4,000 images to train, 1,000 held out) with momenta from 0 to 0.9999, with and without
`zero_debias`, and from few and many samples in small and large batches.

**Result.** Momentum changes nothing in training, only what inference sees. At 0.9999,
a network that has learned for 1,000 steps and is right on 97 % of its training samples
gets 80 % in validation; `zero_debias` lifts that to 90 %, and not to the 93 % of 0.9,
because an average over all steps still holds the first, long outdated ones. The advice
holds in one half: small batches need nines (4,000 samples in batches of 8: 78 % at
momentum 0, 91 % at 0.9), but what allows more of them is the number of steps. More than
0.99 was never better, 0.9 was among the best from 25 steps on, and with only 3 steps 0
was.
"""

from __future__ import annotations

import numpy as np
from common import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    Trainer,
    band,
    command,
    dense,
    mnist,
    panels,
    sentence,
    spread,
    table,
)

MOMENTA = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999]
COLOURS = [PURPLE, RED, ORANGE, GREEN, SKY, BLUE]
STEPS = [1, 3, 10, 30, 100, 300, 1000]
# Samples and samples in a batch; each is trained for two epochs.
LOADS = [(400, 256), (400, 32), (400, 8), (4000, 256), (4000, 32), (4000, 8)]
DEBIASED = MOMENTA[2:]  # With fewer nines, there is next to nothing to take out.


def run(short: bool = False) -> dict:
    """Train with each momentum, and look at both accuracies by step.

    Returns:
        A dict of `steps`; `training` and `validation`, lists of runs by (momentum,
        zero_debias); `loads`, lists of runs by ((samples, batch), momentum).
    """
    data = mnist().flat()
    seeds = range(1 if short else 3)
    momenta = [0.0, 0.9999] if short else MOMENTA
    steps = STEPS[:4] if short else STEPS
    loads = LOADS[1:2] if short else LOADS
    training: dict = {}
    validation: dict = {}
    by_load: dict = {}
    for momentum in momenta:
        for debias in (False, True) if momentum in DEBIASED else (False,):
            trainer = Trainer(lambda m=momentum, d=debias: network(m, d))
            runs = [curve(trainer, data, seed, steps) for seed in seeds]
            training[momentum, debias], validation[momentum, debias] = zip(
                *runs, strict=True
            )
            if debias:
                continue
            for load in loads:
                by_load[load, momentum] = [after(trainer, *load, s) for s in seeds]
    return {
        "steps": steps,
        "training": training,
        "validation": validation,
        "loads": by_load,
    }


def network(momentum: float, debias: bool):
    """Build the network: 784, 64, 64, 64 and 10."""
    return dense((784,), [64, 64, 64], momentum=momentum, zero_debias=debias)


def curve(trainer: Trainer, data, seed: int, steps: list[int]):
    """Train; give the accuracy that `fit` reports, and that of validation, by step."""
    trainer.start(seed)
    done, training, validation = 0, [], []
    for step in steps:
        training.append(100 * trainer.train(data, step - done)["accuracy"])
        validation.append(trainer.accuracy(data))
        done = step
    return training, validation


def after(trainer: Trainer, samples: int, batch: int, seed: int) -> float:
    """Train for two epochs and give the accuracy of validation."""
    data = mnist().flat().part(samples)
    trainer.start(seed).train(data, steps_of(samples, batch), batch)
    return trainer.accuracy(data)


def steps_of(samples: int, batch: int) -> int:
    """Count the steps of two epochs."""
    return round(2 * samples / batch)


def report(results: dict) -> str:
    """Set out the tables and say what they show."""
    steps, validation = results["steps"], results["validation"]
    momenta = sorted({momentum for momentum, _ in validation})
    (any_training, *_) = results["training"].values()
    shown = range(0, len(steps), 2)
    rows = [["training, as fit reports it", *_columns(any_training, shown)]]
    for debias in (False, True):
        for momentum in momenta:
            if (momentum, debias) in validation:
                name = f"momentum {momentum:g}" + ", zero_debias" * debias
                rows.append([name, *_columns(validation[momentum, debias], shown)])
    loads = sorted({load for load, _ in results["loads"]})
    load_rows = [
        [f"{samples:,}", batch, steps_of(samples, batch)]
        + [spread(results["loads"][(samples, batch), m], ".0f") for m in momenta]
        for samples, batch in loads
    ]
    best = [_best(results, load, momenta) for load in loads]
    last = momenta[-1]
    plain, debiased = (
        np.median(validation[last, d], axis=0)[-1] for d in (False, True)
    )
    return "\n\n".join(
        [
            f"Accuracy in validation in %, in batches of 32; median (range) of "
            f"{len(any_training)} runs",
            table(["", *(f"{steps[index]:,} steps" for index in shown)], rows),
            "Validation accuracy in % after two epochs, by momentum",
            table(
                ["samples", "batch", "steps", *(f"{m:g}" for m in momenta)], load_rows
            ),
            sentence(
                "Momentum changes nothing in training, only what inference sees: "
                f"after {steps[-1]:,} steps, momentum {last:g} gives {plain:.1f} % in "
                f"validation, and {debiased:.1f} % with zero_debias. The best "
                "momentum, by load: "
                + "; ".join(
                    f"{text} for {samples:,} samples in batches of {batch}"
                    for text, (samples, batch) in zip(best, loads, strict=True)
                )
                + "."
            ),
        ]
    )


def _columns(runs, shown) -> list[str]:
    return [spread([run[index] for run in runs]) for index in shown]


def _best(results: dict, load, momenta) -> str:
    """Name the momenta whose median is within a percent of the best."""
    medians = [np.median(results["loads"][load, m]) for m in momenta]
    good = [
        m for m, value in zip(momenta, medians, strict=True) if value > max(medians) - 1
    ]
    return f"{good[0]:g}" if len(good) == 1 else f"{good[0]:g} to {good[-1]:g}"


def draw(results: dict):
    """Draw accuracy by step for each momentum, and the loads as a map."""
    figure, axes = panels(1, 3, width=13, height=4.2)
    steps = results["steps"]
    momenta = sorted({momentum for momentum, _ in results["validation"]})
    colours = dict(zip(MOMENTA, COLOURS, strict=True))
    for panel, debias in zip(axes[0], (False, True), strict=False):
        for momentum in momenta:
            if (momentum, debias) not in results["validation"]:
                continue
            runs = results["validation"][momentum, debias]
            band(
                panel, steps, runs, colours[momentum], f"{momentum:g}", "o-", shade=0.07
            )
        runs = results["training"][momenta[-1], debias]
        band(panel, steps, runs, BLACK, "training", "--")
        panel.set_xscale("log")
        panel.set_xticks(steps, [f"{step:,}" for step in steps], minor=False)
        panel.set_xticks([], minor=True)
        panel.set(
            xlabel="training steps",
            ylim=(0, 102),
            title="zero_debias=True" if debias else "plain running statistics",
        )
    axes[0, 0].set_ylabel("accuracy in %")
    axes[0, 0].legend(title="momentum", loc="lower right", fontsize="small")
    _map(axes[0, 2], results, momenta)
    return figure


def _map(panel, results: dict, momenta: list[float]) -> None:
    loads = sorted({load for load, _ in results["loads"]})
    values = np.array(
        [[np.median(results["loads"][load, m]) for m in momenta] for load in loads]
    )
    panel.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        colour = "black" if value > 55 else "white"
        weight = "bold" if value > values[row].max() - 1 else "normal"
        panel.text(
            column,
            row,
            f"{value:.0f}",
            ha="center",
            va="center",
            color=colour,
            fontweight=weight,
        )
    panel.set_xticks(range(len(momenta)), [f"{m:g}" for m in momenta])
    panel.set_yticks(
        range(len(loads)),
        [f"{n:,} in {b}s\n{steps_of(n, b):,} steps" for n, b in loads],
        fontsize="small",
    )
    panel.grid(False)
    panel.set(
        title="validation after two epochs, in %\n(bold: within 1 of the best)",
        xlabel="momentum, plain",
    )


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
