"""Does batch normalization allow larger learning rates?

BN((aW)u) = BN(Wu): weights in front of batch normalization may grow without any effect,
and the larger they are, the smaller is their gradient, by 1/a. So a step that is too
large makes the next ones smaller. Here networks of 4 hidden layers learn the digits at
learning rates from 1/64 to 256, with and without batch normalization, and the scale
invariance is measured.

**Result.** Yes, eight times as large: 2 against 1/4, and it learns well from 1/64 on.
Beyond that, training fails with it, too: the last layer has no batch normalization
behind it, and nothing holds its weights. The scale changes neither output nor, times a,
the gradient, to rounding, as long as epsilon is negligible; the usual epsilon of 0.001
is not where the weights shrink (at a = 0.1 it makes a difference of 7 %).
"""

from __future__ import annotations

import numpy as np
from common import (
    BLACK,
    BLUE,
    ORANGE,
    Trainer,
    array,
    band,
    command,
    dense,
    digits,
    keras,
    panels,
    sentence,
    slopes_of,
    spread,
    table,
)

import kerasbn

RATES = [2.0**power for power in range(-6, 9)]
STEPS, TRAINS = 300, 90  # steps, and percent that count as trained
FACTORS = [0.1, 0.5, 2.0, 10.0, 100.0, 1000.0]
BN, NONE = "BN", "none"


def run(short: bool = False) -> dict:
    """Train at each rate, and scale the weights of one layer.

    Returns:
        A dict of `rates`; `accuracy`, runs by (norm, rate); `growth`, the factor by
        which the first layer's weights grew, likewise; `scaling`, by (epsilon, factor)
        the relative differences of the outputs, and of the gradient times the factor.
    """
    data = digits()
    seeds = range(1 if short else 5)
    rates = RATES[3:15:8] if short else RATES
    results: dict = {"rates": rates, "accuracy": {}, "growth": {}}
    for name, norm in ((BN, "before"), (NONE, None)):
        options = {"momentum": 0.9} if norm else {}
        trainer = Trainer(
            lambda n=norm, o=options: dense((8, 8), [64] * 4, norm=n, **o)
        )
        for rate in rates:
            for seed in seeds:
                trainer.start(seed, rate)
                kernel = trainer.model.get_layer("dense1").kernel
                before = np.linalg.norm(array(kernel))
                trainer.train(data, 60 if short else STEPS)
                results["accuracy"].setdefault((name, rate), []).append(
                    trainer.accuracy(data)
                )
                growth = float(np.linalg.norm(array(kernel)) / before)
                results["growth"].setdefault((name, rate), []).append(growth)
    results["scaling"] = {
        (epsilon, factor): scaled(factor, epsilon)
        for epsilon in (0.001, 1e-20)
        for factor in FACTORS
    }
    return results


def scaled(factor: float, epsilon: float) -> tuple[float, float]:
    """Compare BN((aW)u) with BN(Wu), and a times its gradient by aW with that by W."""
    rng = np.random.default_rng(0)
    u, w = rng.normal(size=(64, 32)), rng.normal(size=(32, 16)) / np.sqrt(32)
    slope = rng.normal(size=(64, 16))
    layer = kerasbn.BatchNormalization(epsilon=epsilon, dtype="float64")
    layer.build((None, 16))

    def output_and_gradient(weights):
        variable = keras.Variable(weights, dtype="float64")
        outputs: list = []

        def scalar():
            product = keras.ops.matmul(keras.ops.convert_to_tensor(u), variable.value)
            outputs.append(layer(product, training=True))
            return keras.ops.sum(outputs[0] * slope)

        (gradient,) = slopes_of(scalar, [variable])
        return array(outputs[0]), array(gradient)

    y, gradient = output_and_gradient(w)
    y_scaled, gradient_scaled = output_and_gradient(factor * w)
    return (
        float(np.abs(y_scaled - y).max() / np.abs(y).max()),
        float(
            np.abs(factor * gradient_scaled - gradient).max() / np.abs(gradient).max()
        ),
    )


def largest_rates(results: dict, norm: str) -> list[float]:
    """Give, of each run, the largest rate up to which all rates train."""
    largest = []
    runs = [results["accuracy"][norm, rate] for rate in results["rates"]]
    for by_rate in zip(*runs, strict=True):
        good = [
            r for r, a in zip(results["rates"], by_rate, strict=True) if a >= TRAINS
        ]
        largest.append(max(good, default=float("nan")))
    return largest


def report(results: dict) -> str:
    """Set out the tables and say what they show."""
    rows = [
        [
            f"{rate:g}",
            spread(results["accuracy"][NONE, rate]),
            spread(results["accuracy"][BN, rate]),
            spread(results["growth"][BN, rate], ".1f"),
        ]
        for rate in results["rates"]
    ]
    scaling = [
        [f"{factor:g}"]
        + [
            f"{v:.0e}"
            for eps in (1e-20, 0.001)
            for v in results["scaling"][eps, factor]
        ]
        for factor in FACTORS
    ]
    count = len(next(iter(results["accuracy"].values())))
    exact = [max(results["scaling"][1e-20, factor]) for factor in FACTORS]
    default = [max(results["scaling"][0.001, factor]) for factor in FACTORS]
    return "\n\n".join(
        [
            "Validation accuracy in % after training at a constant rate; median "
            f"(range) of {count} runs",
            table(["rate", "without", "with BN", "weights grew by a factor"], rows),
            "BN((aW)u) against BN(Wu): relative differences in float64, of the outputs "
            "and of a times\nthe gradient",
            table(
                [
                    "a",
                    "epsilon 1e-20: output",
                    "gradient",
                    "epsilon 0.001: output",
                    "gradient",
                ],
                scaling,
            ),
            sentence(
                f"The largest rate that trains (to {TRAINS} %) is "
                f"{spread(largest_rates(results, NONE), 'g')} without and "
                f"{spread(largest_rates(results, BN), 'g')} with batch normalization. "
                "Scale changes neither output nor, times a, the gradient: to "
                f"{max(exact):.0e} with a negligible epsilon. The usual epsilon of "
                f"0.001 breaks that, up to {max(default):.0e}, where a is small."
            ),
        ]
    )


def draw(results: dict):
    """Draw accuracy by rate, and how far the first weights grew."""
    figure, axes = panels(1, 2, width=10, height=3.8)
    left, right = axes[0]
    rates = results["rates"]
    for norm, colour, style in ((NONE, ORANGE, "s--"), (BN, BLUE, "o-")):
        label = "with BN" if norm == BN else "without"
        runs = np.transpose([results["accuracy"][norm, rate] for rate in rates])
        band(left, rates, runs, colour, label, style)
    left.axhline(TRAINS, color=BLACK, lw=1, ls=":")
    left.set(ylabel="validation accuracy in %", ylim=(0, 102))
    left.legend(loc="lower left")
    runs = np.transpose([results["growth"][BN, rate] for rate in rates])
    band(right, rates, runs, BLUE, "with BN", "o-")
    right.set(yscale="log", ylabel="growth of the first weights' norm, with BN")
    for panel in (left, right):
        panel.set_xscale("log", base=2)
        panel.set_xlabel("learning rate")
        panel.set_xticks(
            rates[::2], [f"{r:g}" if r >= 1 else f"1/{1 / r:g}" for r in rates[::2]]
        )
    return figure


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
