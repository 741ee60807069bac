"""Should batch normalization stand before or behind the activation?

Ioffe and Szegedy put it before; many say that behind is better. Here dense and
convolutional networks, with ReLU and with sigmoid, learn the digits either way, and
without it; then batch normalization is folded for inference, which takes a linear layer
beside it: the one before, or the one behind.

**Result.** It makes little difference which, and much that there is one: without, the
sigmoid networks learn nothing here. With ReLU, before is slightly better (dense: in 4
of 5 runs), with sigmoid behind (convolutional: in all runs), by one or two points. For
inference, before is the safer place: there all of it folds. Behind an activation it
folds forward into a dense layer, but not into a convolution that pads with zeros, where
one of three was folded.
"""

from __future__ import annotations

import numpy as np
from common import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    Trainer,
    array,
    at_best_rate,
    command,
    convolutional,
    dense,
    digits,
    panels,
    sentence,
    spread,
    table,
)

import kerasbn

PLACES = {None: "none", "before": "before", "after": "behind"}
COLOURS = {None: ORANGE, "before": BLUE, "after": GREEN}
CASES = [
    (network, activation)
    for network in ("dense", "convolutional")
    for activation in ("relu", "sigmoid")
]
RATES = [0.05, 0.3]


def run(short: bool = False) -> dict:
    """Train and fold each network.

    Returns:
        A dict of `accuracy` and `loss`, runs by (network, activation, place), at the
        better of two rates, `rate`; `folded`, (how many were folded, of how many, the
        largest difference of the predictions) likewise.
    """
    data = digits()
    seeds = range(1 if short else 5)
    cases = [("dense", "relu"), ("convolutional", "relu")] if short else CASES
    results: dict = {"accuracy": {}, "loss": {}, "rate": {}, "folded": {}}
    for network, activation in cases:
        for place in PLACES:
            if short and place is None:
                continue
            key = (network, activation, place)
            trainer = Trainer(lambda k=key: build(*k))
            results["rate"][key], runs = at_best_rate(
                RATES[1:] if short else RATES,
                seeds,
                lambda rate, seed, trainer=trainer, network=network: learn(
                    trainer, data, network, seed, rate, short
                ),
                score=lambda run: -run[0],
            )
            results["loss"][key], results["accuracy"][key] = zip(*runs, strict=True)
            if place:
                results["folded"][key] = fold(trainer.model, data)
    return results


def build(network: str, activation: str, place: str | None):
    """Build a network of three hidden layers."""
    if network == "dense":
        options = {"momentum": 0.9} if place else {}
        return dense((8, 8), [64] * 3, activation=activation, norm=place, **options)
    return convolutional([8, 16, 32], activation=activation, norm=place)


def learn(trainer: Trainer, data, network: str, seed: int, rate: float, short: bool):
    """Train; give the loss and accuracy in validation."""
    steps = {"dense": 300, "convolutional": 150}[network]
    trainer.start(seed, rate).train(data, 20 if short else steps)
    scores = array(trainer.model(data.x_val, training=False))
    right = scores[np.arange(len(scores)), data.y_val]
    loss = float(-np.log(np.maximum(right, 1e-30)).mean())
    return loss, 100 * float((scores.argmax(-1) == data.y_val).mean())


def fold(model, data) -> tuple[int, int, float]:
    """Fold, and compare the predictions."""
    result = kerasbn.fold_batch_norm(model)
    before, after = (array(network(data.x_val)) for network in (model, result.model))
    count = len(result.folded)
    return count, count + len(result.kept), float(np.abs(before - after).max())


def report(results: dict) -> str:
    """Set out the table and say what it shows."""
    rows, wins = [], []
    for key, runs in results["accuracy"].items():
        network, activation, place = key
        folded = "-"
        if key in results["folded"]:
            count, of, difference = results["folded"][key]
            folded = f"{count} of {of}, differ by {difference:.0e}"
        rows.append(
            [
                f"{network}, {activation}, {PLACES[place]}",
                f"{results['rate'][key]:g}",
                spread(results["loss"][key], ".3f"),
                spread(runs),
                folded,
            ]
        )
        if place == "after":
            before = results["accuracy"][network, activation, "before"]
            pairs = list(zip(before, runs, strict=True))
            better = sum(behind > first for first, behind in pairs)
            worse = sum(behind < first for first, behind in pairs)
            wins.append(
                f"{network} with {activation}: {np.median(before):.1f} % before, "
                f"{np.median(runs):.1f} % behind, which is better in {better} and "
                f"worse in {worse} of {len(runs)} runs"
            )
    count = len(next(iter(results["accuracy"].values())))
    lost = [
        f"{network} with {activation}, {PLACES[place]}: {folded} of {of}"
        for (network, activation, place), (folded, of, _) in results["folded"].items()
        if folded < of
    ]
    return "\n\n".join(
        [
            f"Validation at the better of two rates; median (range) of {count} runs",
            table(["", "rate", "loss", "accuracy in %", "folded"], rows),
            sentence("; ".join(wins) + "."),
            sentence(
                "All of batch normalization folds, but for these, where its shift "
                f"meets the zero padding of a convolution: {'; '.join(lost)}."
                if lost
                else "All of batch normalization folds."
            ),
        ]
    )


def draw(results: dict):
    """Draw every run as a point, with the median, and what folds."""
    cases = list(dict.fromkeys((n, a) for n, a, _ in results["accuracy"]))
    figure, axes = panels(1, 1, width=9.5, height=4)
    panel = axes[0, 0]
    for at, (network, activation) in enumerate(cases):
        for shift, place in zip((-0.25, 0, 0.25), PLACES, strict=True):
            runs = results["accuracy"].get((network, activation, place))
            if runs is None:
                continue
            x = at + shift + np.linspace(-0.06, 0.06, len(runs))
            label = PLACES[place] if not at else None
            errors = np.maximum(100 - np.array(runs), 0.2)  # No error has no logarithm.
            panel.plot(
                x, errors, "o", color=COLOURS[place], ms=4, alpha=0.6, label=label
            )
            middle = np.median(errors)
            panel.hlines(middle, at + shift - 0.1, at + shift + 0.1, color=BLACK)
            if place:
                count, of, _ = results["folded"][network, activation, place]
                panel.text(
                    at + shift,
                    1.02,
                    f"{count}/{of}",
                    ha="center",
                    fontsize="small",
                    transform=panel.get_xaxis_transform(),
                )
    panel.text(-0.5, 1.02, "folds:", transform=panel.get_xaxis_transform(), ha="right")
    panel.set_xticks(range(len(cases)), [f"{n}\n{a}" for n, a in cases])
    panel.set(
        yscale="log", ylabel="validation error in %", xlim=(-0.5, len(cases) - 0.5)
    )
    panel.legend(title="batch normalization", loc="upper left", fontsize="small")
    ticks = [1, 2, 5, 10, 20, 50, 100]
    panel.set_yticks(ticks, map(str, ticks))
    panel.set_yticks([], minor=True)
    panel.set_ylim(1, 110)
    return figure


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
