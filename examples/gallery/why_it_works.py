"""Why does batch normalization help?

It was made to reduce "internal covariate shift". Santurkar et al. (2018) measured that:
how much a layer's gradient changes because the layers below have moved. They found no
less of it with batch normalization, and that training goes as well when noise behind
it makes every distribution unstable; what does change is that loss and gradient vary
less along a step. Here that is measured on MNIST (4,000 images) with 6 hidden layers of
64 at one learning rate, without batch normalization, with it, and with noise behind it;
and beside it the other explanations: activations closer to a Gaussian, and steps for
many layers at a time, whose effects multiply.

**Result.** The landscape is smoother, as Santurkar et al. say: along a step, the
gradient changes about half as much with batch normalization, the loss a seventh; and
noise that makes the units less stable than they are without any normalization costs
next to nothing. Unlike in their networks, internal covariate shift is smaller with
batch normalization in this one, but not in the first step, where it is seven times as
large. What the gradient promises holds for one layer at a time with and without it
(more than 0.8 of it is gained); it is the step of all layers at once that batch
normalization makes worth 0.7 instead of 0.4. In the chain of single neurons the same
can be computed: for one layer at a time the first order is exact, and for 20 at once it
is off by a factor of ten. Units are hardly closer to a Gaussian: batch normalization is
affine and changes no skewness and no kurtosis, only the weights that are learned
differ.
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
    band,
    command,
    keras,
    layers,
    mnist,
    panels,
    sentence,
    spread,
    table,
)
from landscape import Landscape, Noise, chain, moved, norm
from scipy.stats import kurtosis, skew

import kerasbn

NONE, BN, NOISY = "none", "BN", "BN and noise"
COLOURS = {NONE: ORANGE, BN: BLUE, NOISY: GREEN}
STYLES = {NONE: "s--", BN: "o-", NOISY: "^:"}
DEPTH, WIDTH, RATE, BATCH = 6, 64, 0.1, 64
STEPS, EVERY = 400, 25
# Of the learning rate: how far along the step loss and gradient are looked at.
ALONG = [0.5, 1.0, 2.0, 4.0]
CHAIN_DEPTHS, CHAIN_WEIGHT, CHAIN_RATE = range(2, 21), 1.2, 0.02


def run(short: bool = False) -> dict:
    """Train the three networks and measure on the way.

    Returns:
        A dict of `at` (steps); `looks`, by kind a list of runs of dicts by name, each
        with the shape (steps, ...); `shapes`, by kind runs of (skewness, kurtosis) by
        layer; `affine`, the largest change of either by batch normalization; `chain`,
        by depth.
    """
    data = mnist().flat()
    seeds = range(1 if short else 3)
    at = list(range(0, 51 if short else STEPS + 1, EVERY))
    results: dict = {"at": at, "looks": {}, "shapes": {}, "affine": 0.0}
    for kind in (NONE, BN) if short else (NONE, BN, NOISY):
        trainer = Trainer(lambda k=kind: build(k), RATE)
        scene = Landscape(trainer.model, watched(trainer.model))
        for seed in seeds:
            trainer.start(seed)
            looks: list[dict] = []
            for step in at:
                if step:
                    trainer.train(data, EVERY, BATCH)
                chosen = np.random.default_rng([seed, step]).choice(len(data.x), 256)
                looks.append(look(scene, data.x[chosen], data.y[chosen], step))
                looks[-1]["accuracy"] = trainer.accuracy(data)
            run_of_looks = {
                name: np.array([look[name] for look in looks]) for name in looks[0]
            }
            results["looks"].setdefault(kind, []).append(run_of_looks)
            shapes, change = shapes_of(trainer.model, data)
            results["shapes"].setdefault(kind, []).append(shapes)
            results["affine"] = max(results["affine"], change)
    results["chain"] = {n: chain(n, CHAIN_WEIGHT, CHAIN_RATE) for n in CHAIN_DEPTHS}
    return results


def build(kind: str):
    """Build one of the three networks."""
    x = inputs = keras.Input((784,))
    for number in range(1, DEPTH + 1):
        x = layers.Dense(WIDTH, use_bias=kind == NONE, name=f"dense{number}")(x)
        if kind != NONE:
            x = kerasbn.BatchNormalization(momentum=0.9, name=f"bn{number}")(x)
        if kind == NOISY:
            x = Noise(name=f"noise{number}")(x)
        x = layers.Activation("relu", name=f"act{number}")(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="out")(x))


def watched(model) -> list[str]:
    """Name the layers whose outputs the activations are given."""
    names = [layer.name for layer in model.layers]
    return [names[names.index(f"act{n}") - 1] for n in range(1, DEPTH + 1)]


def look(scene: Landscape, x, y, step: int) -> dict:
    """Measure around the weights as they are, which stay so.

    Returns:
        `shift`: the change of each layer's gradient by the step of those below,
        relative to it; `distance`, the same, absolute; `angle`, its cosine; `range`,
        that of the loss along the step, relative; `slopes`, the change of the gradient
        by distance along it; `smoothness`, the largest such change by distance; `joint`
        and `alone`, the loss that is gained by a step of all layers, and by steps of
        one layer at a time, of what the gradient promises; `drift`, by how many
        standard deviations the means of the units move.
    """
    kept, weights = scene.model.get_weights(), scene.weights
    scene.noise_seed = 2 * step
    loss, slopes, units = scene.at(weights, x, y)
    after = moved(weights, slopes, RATE)

    shift, apart, angle = [], [], []
    for index in scene.kernels[1:]:
        mixed = [*after[:index], *weights[index:]]
        new, old = scene.at(mixed, x, y)[1][index], slopes[index]
        apart.append(norm([new - old]))
        shift.append(apart[-1] / norm([old]))
        angle.append(float((new * old).sum()) / (norm([new]) * norm([old])))

    length = norm(slopes)
    losses, changes = [], []
    for part in ALONG:
        there, other, _ = scene.at(moved(weights, slopes, part * RATE), x, y)
        losses.append(there)
        changes.append(norm([b - a for a, b in zip(slopes, other, strict=True)]))

    promised = RATE * length**2
    borders = [*scene.kernels, len(weights)]
    alone = sum(
        loss - scene.at(moved(weights, slopes, RATE, range(first, last)), x, y)[0]
        for first, last in zip([0, *borders[1:-1]], borders[1:], strict=True)
    )
    joint = loss - losses[ALONG.index(1.0)]

    scene.noise_seed = 2 * step + 1
    units_after = scene.at(after, x, y)[2]
    drift = [
        float(np.mean(np.abs(b.mean(0) - a.mean(0)) / (a.std(0) + 1e-3)))
        for a, b in zip(units, units_after, strict=True)
    ]
    scene.model.set_weights(kept)
    return {
        "shift": shift,
        "distance": apart,
        "angle": angle,
        "loss": loss,
        "range": (max(losses) - min(losses)) / loss,
        "slopes": np.array(changes) / length,
        "smoothness": max(
            c / (part * RATE * length) for c, part in zip(changes, ALONG, strict=True)
        ),
        "joint": joint / promised,
        "alone": alone / promised,
        "drift": np.mean(drift),
    }


def shapes_of(model, data) -> tuple[np.ndarray, float]:
    """Give skewness and excess kurtosis of what activations are given, by layer.

    Returns:
        The medians over the units of their absolute values, (layers, 2), and the
        largest difference that batch normalization made to either.
    """
    names = [layer.name for layer in model.layers]
    linear = [f"dense{n}" for n in range(1, DEPTH + 1)]
    given = [
        f"bn{n}" if f"bn{n}" in names else f"dense{n}" for n in range(1, DEPTH + 1)
    ]
    outputs = [model.get_layer(name).output for name in linear + given]
    values = keras.Model(model.input, outputs)(data.x[:1000], training=False)
    units = [array(value).astype(float) for value in values]
    before, after = [], []
    for inputs, outputs in zip(units[:DEPTH], units[DEPTH:], strict=True):
        varies = inputs.std(0) > 1e-3 * inputs.std()
        for moments, rows in ((before, inputs), (after, outputs)):
            moments.append(np.array([f(rows[:, varies]) for f in (skew, kurtosis)]))
    pairs = zip(before, after, strict=True)
    change = max(float(np.abs(one - other).max()) for one, other in pairs)
    return np.array([np.median(np.abs(moment), axis=1) for moment in after]), change


def middle(results: dict, kind: str, name: str) -> list[float]:
    """Give the median of a measure over steps and layers, by run."""
    return [float(np.median(run[name])) for run in results["looks"][kind]]


def report(results: dict) -> str:
    """Set out the tables and say what they show."""
    kinds = list(results["looks"])
    measures = {
        "gradient's change by layers below, relative": ("shift", ".2f"),
        "the same, absolute": ("distance", ".3f"),
        "its cosine": ("angle", ".2f"),
        "gradient's change along the step, relative": ("slopes", ".2f"),
        "loss along the step, range, relative": ("range", ".2f"),
        "largest change by distance (beta-smoothness)": ("smoothness", ".1f"),
        "gained of what was promised, all layers": ("joint", ".2f"),
        "the same, one layer at a time": ("alone", ".2f"),
        "drift of the units by a step, in std": ("drift", ".3f"),
    }
    rows = [
        [text, *(spread(middle(results, kind, name), form) for kind in kinds)]
        for text, (name, form) in measures.items()
    ]
    last = {k: [run["accuracy"][-1] for run in results["looks"][k]] for k in kinds}
    early = {k: [run["accuracy"][2] for run in results["looks"][k]] for k in kinds}
    at = results["at"]
    rows.append(
        [f"accuracy after {at[2]} steps, %", *(spread(early[k]) for k in kinds)]
    )
    rows.append(
        [f"accuracy after {at[-1]} steps, %", *(spread(last[k]) for k in kinds)]
    )
    for index, name in ((0, "|skewness|"), (1, "|excess kurtosis|")):
        values = {
            k: [np.median(run[:, index]) for run in results["shapes"][k]] for k in kinds
        }
        rows.append([f"{name} of a unit", *(spread(values[k], ".2f") for k in kinds)])
    steps_of_chain = [
        [depth, *(f"{results['chain'][depth][name]:+.3f}" for name in CHAIN_COLUMNS)]
        for depth in (2, 5, 10, 15, 20)
    ]
    return "\n\n".join(
        [
            f"Medians over {len(at)} looks and the layers; median (range) of "
            f"{len(last[BN])} runs",
            table(["", *kinds], rows),
            "A chain of one neuron a layer, w1 w2 ... with all weights "
            f"{CHAIN_WEIGHT}: "
            f"relative change of the\nproduct by a step of rate {CHAIN_RATE}",
            table(["layers", *CHAIN_COLUMNS.values()], steps_of_chain),
            sentence(_finding(results, early)),
        ]
    )


CHAIN_COLUMNS = {
    "first": "first order",
    "second": "second order",
    "single": "one layer at a time",
    "all": "all at once",
}


def _finding(results: dict, early: dict) -> str:
    def value(kind: str, name: str) -> float:
        return float(np.median(middle(results, kind, name)))

    def first(kind: str) -> float:
        return float(
            np.median([np.median(r["shift"][0]) for r in results["looks"][kind]])
        )

    text = (
        "Internal covariate shift: by the step of the layers below, a layer's "
        f"gradient changes by {value(BN, 'shift'):.2f} of itself with batch "
        f"normalization and by {value(NONE, 'shift'):.2f} without; in the first step "
        f"by {first(BN):.2f} and {first(NONE):.2f}. Along the step, the gradient "
        f"changes by {value(BN, 'slopes'):.2f} of itself with and "
        f"{value(NONE, 'slopes'):.2f} without, the loss by {value(BN, 'range'):.2f} "
        f"and {value(NONE, 'range'):.2f}. A step of all layers gains "
        f"{value(BN, 'joint'):.2f} of what the gradient promises with and "
        f"{value(NONE, 'joint'):.2f} without; one layer at a time, "
        f"{value(BN, 'alone'):.2f} and {value(NONE, 'alone'):.2f}. Accuracy after "
        f"{results['at'][2]} steps is {np.median(early[BN]):.0f} % with and "
        f"{np.median(early[NONE]):.0f} % without"
    )
    if NOISY in early:
        text += (
            f", and {np.median(early[NOISY]):.0f} % with noise, by which the means of "
            f"the units drift {value(NOISY, 'drift'):.2f} standard deviations a step "
            f"(without batch normalization {value(NONE, 'drift'):.2f})"
        )
    return (
        f"{text}. Batch normalization itself makes no unit more of a Gaussian: it is "
        f"affine, and changes skewness and kurtosis by {results['affine']:.0e} at most."
    )


def draw(results: dict):
    """Draw six panels: accuracy, covariate shift, the step, Gaussians, the chain."""
    figure, axes = panels(2, 3, width=13, height=3.5)
    at, looks = results["at"], results["looks"]
    for kind, runs in looks.items():
        for panel, name in (
            (axes[0, 0], "accuracy"),
            (axes[0, 1], "shift"),
            (axes[0, 2], "slopes"),
            (axes[1, 0], "joint"),
        ):
            # Over the layers, or the distances along the step.
            curves = [np.median(r[name].reshape(len(at), -1), axis=1) for r in runs]
            band(panel, at, curves, COLOURS[kind], kind, STYLES[kind])
    for panel, title, label in (
        (axes[0, 0], "training", "validation accuracy in %"),
        (axes[0, 1], "internal covariate shift", "change of a layer's gradient"),
        (axes[0, 2], "along the step", "change of the gradient"),
        (axes[1, 0], "a step of all layers", "gained, of what was promised"),
    ):
        panel.set(title=title, xlabel="training steps", ylabel=label)
    axes[0, 1].set_ylim(bottom=0)
    axes[0, 2].set_ylim(bottom=0)
    axes[0, 0].legend(fontsize="small", loc="lower right")

    panel = axes[1, 1]
    for kind, runs in results["shapes"].items():
        curves = [run[:, 1] for run in runs]
        numbers = range(1, DEPTH + 1)
        band(panel, numbers, curves, COLOURS[kind], kind, STYLES[kind])
    panel.set(
        title="a Gaussian has 0", xlabel="hidden layer", ylabel="|excess kurtosis|"
    )

    panel = axes[1, 2]
    depths = list(results["chain"])
    for name, colour, style in (
        ("first", BLACK, "-"),
        ("single", ORANGE, "o"),
        ("all", BLUE, "s--"),
    ):
        values = [results["chain"][depth][name] for depth in depths]
        panel.plot(depths, values, style, color=colour, ms=4, label=CHAIN_COLUMNS[name])
    panel.set_xticks([2, 5, 10, 15, 20])
    panel.set(title="one neuron a layer", xlabel="layers", ylabel="change by a step")
    panel.legend(fontsize="small", loc="lower left")
    return figure


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
