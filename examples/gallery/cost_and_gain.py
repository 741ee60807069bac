"""What does batch normalization cost, and what does it gain?

It is said to make a step of training slower and to take fewer of them; in inference it
costs time until it is folded into the layers around it. Here a convolutional network
learns MNIST (4,000 images) with and without it, each at the best of three learning
rates: steps and seconds to an accuracy. Then the time of a prediction is taken of the
trained network, of the same network folded, and of one built without batch
normalization, in turn.

**Result.** With batch normalization, 85 % are reached in half the steps (40 instead of
80, both at a rate of 0.2) and in six tenths of the time: a step takes a fifth longer
with it. A prediction is a fourteenth faster once it is folded, as fast as that of a
network built without.
"""

from __future__ import annotations

import time

import numpy as np
from common import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    Trainer,
    accuracy,
    array,
    at_best_rate,
    band,
    command,
    convolutional,
    mnist,
    panels,
    sentence,
    spread,
    table,
)

import kerasbn

TARGET, EVERY, MOST = 85.0, 20, 240
RATES = [0.05, 0.2, 0.8]
BN, NONE = "with BN", "without"
FILTERS = [16, 32, 64]
PAIRS = 60


def run(short: bool = False) -> dict:
    """Train to the target, and time steps and predictions.

    Returns:
        A dict of `at` (steps), `curves`, runs of accuracies by name, at the best
        `rate`; `steps` to the target by name, NaN where it was not reached;
        `step_ms` and `predict_ms`, lists of times by name; `same`, whether the folded
        network predicts the same digits.
    """
    data = mnist()
    seeds = range(1 if short else 5)
    at = list(range(EVERY, (40 if short else MOST) + 1, EVERY))
    results: dict = {"at": at, "curves": {}, "steps": {}, "rate": {}}
    trainers = {
        name: Trainer(lambda n=norm: convolutional(FILTERS, norm=n, side=28))
        for name, norm in ((BN, "before"), (NONE, None))
    }
    for name, trainer in trainers.items():
        rate, runs = at_best_rate(
            RATES[1:2] if short else RATES,
            seeds,
            lambda rate, seed, trainer=trainer: curve(trainer, data, seed, rate, at),
            score=lambda run: -np.nan_to_num(to_target(at, run), nan=2 * MOST),
        )
        results["rate"][name], results["curves"][name] = rate, runs
        results["steps"][name] = [to_target(at, run) for run in runs]

    results["step_ms"] = in_turn(
        {name: lambda t=t: t.train(data, 64) for name, t in trainers.items()},
        pairs=2 if short else 9,
        calls=64,
    )
    trained = trainers[BN].start(0, results["rate"][BN])
    trained.train(data, at[-1])
    folded = kerasbn.fold_batch_norm(trained.model).model
    models = {BN: trained.model, "folded": folded, NONE: trainers[NONE].model}
    results["predict_ms"] = in_turn(
        {
            name: lambda m=model: m.predict_on_batch(data.x_val)
            for name, model in models.items()
        },
        pairs=4 if short else PAIRS,
    )
    before, after = (
        array(network(data.x_val)).argmax(-1) for network in (trained.model, folded)
    )
    results["same"] = bool((before == after).all())
    results["accuracy"] = accuracy(folded, data.x_val, data.y_val)
    return results


def curve(trainer: Trainer, data, seed: int, rate: float, at: list[int]):
    """Train; give the validation accuracy by step."""
    trainer.start(seed, rate)
    accuracies = []
    for _ in at:
        trainer.train(data, EVERY)
        accuracies.append(trainer.accuracy(data))
    return accuracies


def to_target(at: list[int], accuracies: list[float]) -> float:
    """Give the steps to the target; NaN if it was not reached."""
    reached = (s for s, value in zip(at, accuracies, strict=True) if value >= TARGET)
    return float(next(reached, np.nan))


def in_turn(calls_by_name: dict, pairs: int, calls: int = 1) -> dict[str, list[float]]:
    """Time calls in turn, so that noise is shared; give milliseconds by name."""
    for call in calls_by_name.values():
        call()  # The first one compiles.
    times: dict = {name: [] for name in calls_by_name}
    for _ in range(pairs):
        for name, call in calls_by_name.items():
            start = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - start) / calls)
    return times


def report(results: dict) -> str:
    """Set out the tables and say what they show."""
    step = {name: np.median(times) for name, times in results["step_ms"].items()}
    rows = []
    for name, steps in results["steps"].items():
        reached = [count for count in steps if np.isfinite(count)]
        seconds = [count * step[name] / 1000 for count in reached]
        rows.append(
            [
                name,
                f"{results['rate'][name]:g}",
                f"{len(reached)} of {len(steps)}",
                spread(reached, ".0f") if reached else "-",
                f"{step[name]:.2f}",
                spread(seconds, ".2f") if reached else "-",
            ]
        )
    predict = results["predict_ms"]
    quartiles = {
        name: np.quantile(np.divide(predict[BN], times), [0.25, 0.5, 0.75])
        for name, times in predict.items()
    }
    times = [
        [
            name,
            f"{np.median(times):.2f}",
            f"{quartiles[name][1]:.2f} "
            f"({quartiles[name][0]:.2f}..{quartiles[name][2]:.2f})",
        ]
        for name, times in predict.items()
    ]
    gain = {name: float(np.median(steps)) for name, steps in results["steps"].items()}
    cost = step[BN] / step[NONE]
    whole = ""
    if np.isfinite(gain[BN] / gain[NONE]):
        whole = f", and all of them {gain[BN] * cost / gain[NONE]:.2f} times"
    count = len(results["steps"][BN])
    return "\n\n".join(
        [
            f"To {TARGET:g} % in validation, at the best of the rates "
            f"{', '.join(map(str, RATES))}; median (range) of {count} runs",
            table(
                ["", "rate", "reached", "steps", "ms a step", "seconds"],
                rows,
            ),
            "A prediction for 1,000 images, in turn: median, and how many times as "
            "fast as with\nBN (quartiles)",
            table(["", "ms", "speed"], times),
            sentence(
                f"With batch normalization it takes {_steps(gain[BN])} steps, without "
                f"{_steps(gain[NONE])}. Each takes {cost:.2f} times as long{whole}. "
                f"Folded, a prediction is {quartiles['folded'][1]:.2f} times as fast "
                f"as before (built without it: {quartiles[NONE][1]:.2f}) and gives "
                f"{'the same digits' if results['same'] else 'other digits'}."
            ),
        ]
    )


def _steps(steps: float) -> str:
    return f"{steps:.0f}" if np.isfinite(steps) else f"more than {MOST}"


def draw(results: dict):
    """Draw accuracy by steps and by seconds, and the times of a prediction."""
    figure, axes = panels(1, 3, width=12.5, height=3.8)
    by_steps, by_time, bars = axes[0]
    for name, colour, style in ((NONE, ORANGE, "--"), (BN, BLUE, "-")):
        rate = results["rate"][name]
        runs, step = results["curves"][name], np.median(results["step_ms"][name])
        label = f"{name}, rate {rate:g}"
        band(by_steps, results["at"], runs, colour, label, style)
        seconds = np.array(results["at"]) * step / 1000
        band(by_time, seconds, runs, colour, label, style)
    for panel, label in ((by_steps, "training steps"), (by_time, "seconds")):
        panel.axhline(TARGET, color=BLACK, lw=1, ls=":")
        panel.set(xlabel=label, ylim=(0, 102))
    by_steps.set_ylabel("validation accuracy in %")
    by_time.legend(loc="lower right", fontsize="small")
    colours = {BN: BLUE, "folded": GREEN, NONE: ORANGE}
    for place, (name, times) in enumerate(results["predict_ms"].items()):
        low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
        bars.bar(place, middle, 0.6, color=colours[name])
        error = [[middle - low], [high - middle]]
        bars.errorbar(place, middle, error, color=BLACK, capsize=4)
    bars.set_xticks(range(len(results["predict_ms"])), list(results["predict_ms"]))
    bars.set(ylabel="ms for a prediction (quartiles)", title="1,000 images")
    return figure


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
