"""Does batch normalization keep sigmoid networks out of saturation?

Saturated sigmoids pass no gradient on, which was the first reason given for batch
normalization. Here sigmoid networks of 2 and of 8 hidden layers learn the digits from
usual (Glorot) initial weights and from weights eight times as large, with and without
it. Before and after training, the share of saturated activations (below 0.05 or above
0.95) and the norm of the loss' gradient are taken layer by layer.

**Result.** It does, but saturation is not what is wrong with deep sigmoid networks.
From usual weights no activation is saturated; the gradient fades all the same, by a
factor of more than 10,000 over 8 layers, since a sigmoid's slope is 1/4 at most, and
the network learns nothing. With weights so large that more than half of the activations
are saturated, the gradient arrives and the network learns (95 %, one run 82 %). Batch
normalization gives all layers gradients of the same size from either start, and 95 to
96 %. Two layers learn in any case.
"""

from __future__ import annotations

import numpy as np
from common import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    RED,
    Trainer,
    array,
    band,
    command,
    dense,
    digits,
    gradients,
    keras,
    panels,
    sentence,
    spread,
    table,
)

WIDTH, STEPS = 64, 600
DEPTHS = [2, 8]
SCALES = [1.0, 8.0]
# (norm, scale of the weights): name, colour and line
KINDS = {
    (None, 1.0): ("none", ORANGE, "o-"),
    (None, 8.0): ("none, large weights", RED, "s--"),
    ("before", 1.0): ("BN", BLUE, "o-"),
    ("before", 8.0): ("BN, large weights", GREEN, "s--"),
}


def run(short: bool = False) -> dict:
    """Train each network, and look into it before and after.

    Returns:
        A dict of lists of runs by (depth, norm, scale): `accuracy` in validation;
        `saturated`, shares by layer, and `gradient`, norms by layer, both by time,
        before and after.
    """
    data = digits()
    seeds = range(1 if short else 5)
    depths = [4] if short else DEPTHS
    results: dict = {"accuracy": {}, "saturated": {}, "gradient": {}}
    for depth in depths:
        for norm, scale in KINDS:
            if short and scale > 1:
                continue
            trainer = Trainer(
                lambda d=depth, n=norm, s=scale: dense(
                    (8, 8),
                    [WIDTH] * d,
                    activation="sigmoid",
                    norm=n,
                    spread=s,
                    **({"momentum": 0.9} if n else {}),
                ),
                rate=0.5,
            )
            for seed in seeds:
                key = (depth, norm, scale)
                trainer.start(seed)
                before = look(trainer.model, data)
                trainer.train(data, 60 if short else STEPS)
                after = look(trainer.model, data)
                for name, index in (("saturated", 0), ("gradient", 1)):
                    looks = (before[index], after[index])
                    results[name].setdefault(key, []).append(looks)
                accuracy = trainer.accuracy(data)
                results["accuracy"].setdefault(key, []).append(accuracy)
    return results


def look(model, data) -> tuple[list[float], list[float]]:
    """Give the share of saturated activations and the gradient's norm, by layer."""
    x, y = data.x[:256], data.y[:256]
    hidden = [layer for layer in model.layers if layer.name.startswith("act")]
    inside = keras.Model(model.input, [layer.output for layer in hidden])
    kept = model.get_weights()
    outputs = inside(x, training=True)
    outputs = [array(output) for output in (outputs if len(hidden) > 1 else [outputs])]
    kernels = [layer.kernel for layer in model.layers if layer.name.startswith("dense")]
    slopes = gradients(model, x, y, kernels)
    model.set_weights(kept)
    saturated = [float(np.mean((out < 0.05) | (out > 0.95))) for out in outputs]
    return saturated, [float(np.linalg.norm(slope)) for slope in slopes]


def report(results: dict) -> str:
    """Set out the tables and say what they show."""
    rows, ratios = [], {}
    for (depth, norm, scale), runs in results["gradient"].items():
        key = (depth, norm, scale)
        saturated = 100 * np.array(results["saturated"][key])  # runs, time, layers
        gradient = np.array(runs)
        ratios[key] = np.median(gradient[:, 0, 0] / gradient[:, 0, -1])
        rows.append(
            [
                f"{depth} layers, {KINDS[norm, scale][0]}",
                *(spread(saturated[:, time].mean(axis=-1), ".0f") for time in (0, 1)),
                *(spread(gradient[:, time, 0], ".1e") for time in (0, 1)),
                f"{ratios[key]:.1g}",
                spread(results["accuracy"][key]),
            ]
        )
    deep = max(depth for depth, *_ in ratios)
    scales = sorted({scale for *_, scale in ratios})
    texts = []
    for scale in scales:
        name = "usual" if scale == 1 else "large"
        none, with_bn = (deep, None, scale), (deep, "before", scale)
        share = {
            key: 100
            * np.median(np.array(results["saturated"][key])[:, 0].mean(axis=-1))
            for key in (none, with_bn)
        }
        texts.append(
            f"From {name} weights, the {deep} layers start with {share[none]:.0f} % of "
            f"the activations saturated without and {share[with_bn]:.0f} % with batch "
            f"normalization; the first layer's gradient is {ratios[none]:.1g} and "
            f"{ratios[with_bn]:.1g} of the last hidden one's; they end at "
            f"{np.median(results['accuracy'][none]):.1f} and "
            f"{np.median(results['accuracy'][with_bn]):.1f} %."
        )
    count = len(next(iter(results["accuracy"].values())))
    return "\n\n".join(
        [
            f"Sigmoid networks; median (range) of {count} runs",
            table(
                [
                    "",
                    "saturated %",
                    "trained",
                    "first gradient",
                    "trained",
                    "first : last",
                    "accuracy %",
                ],
                rows,
            ),
            sentence(" ".join(texts)),
        ]
    )


def draw(results: dict):
    """Draw saturation and gradients by layer at the start, and the accuracies."""
    depth = max(depth for depth, *_ in results["accuracy"])
    figure, axes = panels(1, 3, width=12.5, height=3.9)
    left, middle, right = axes[0]
    x = range(1, depth + 1)
    bars = []
    for kind, (name, colour, style) in KINDS.items():
        if (depth, *kind) not in results["accuracy"]:
            continue
        saturated = 100 * np.array(results["saturated"][(depth, *kind)])
        band(left, x, saturated[:, 0], colour, name, style)
        gradient = np.array(results["gradient"][(depth, *kind)])
        band(middle, x, gradient[:, 0], colour, name, style)
        bars.append((kind, name, colour))
    left.set(ylabel="saturated activations in %", title=f"{depth} layers, at the start")
    middle.set(yscale="log", ylabel="norm of the gradient", title="at the start")
    for panel in (left, middle):
        panel.set_xlabel("hidden layer")
        panel.set_xticks(x)
    depths = sorted({depth for depth, *_ in results["accuracy"]})
    for number, (kind, name, colour) in enumerate(bars):
        for place, depth in enumerate(depths):
            runs = results["accuracy"][(depth, *kind)]
            at, value = place + 0.2 * (number - (len(bars) - 1) / 2), np.median(runs)
            label = name if not place else None
            right.bar(at, value, 0.18, color=colour, label=label)
            error = [[value - min(runs)], [max(runs) - value]]
            right.errorbar(at, value, error, color=BLACK, capsize=2)
    right.set_xticks(range(len(depths)), [f"{depth} layers" for depth in depths])
    right.set(ylabel="validation accuracy in %", title="trained", ylim=(0, 105))
    middle.legend(fontsize="small")
    return figure


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
