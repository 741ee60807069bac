"""Can batch normalization standardize the inputs?

`BatchNormalization(axis=[1, 2])` as the first layer gives every pixel a mean and a
variance of its own, as scikit-learn's `StandardScaler` does beforehand; `axis=-1` keeps
one for each column of the image. Here a dense network without any other normalization
learns the digits (8 x 8) and MNIST (28 x 28) from raw pixels and from standardized
ones, each at the best of four learning rates; then the running statistics are compared
with those of all training data, and the layer is folded into the first Dense layer.

**Result.** It can, and is as good as `StandardScaler` in the end: 97 % of the digits
and 91 % of MNIST; by column is as good as by pixel. What matters is the scale: raw
pixels from 0 to 255 need a rate of 0.001, at which the network gets no farther than 72
%, and the same pixels from 0 to 1 are as good as standardized ones on MNIST. The layer
is an approximation: after 300 steps its means are off by a few hundredths of a standard
deviation and its standard deviations by 4 to 9 %; `kerasbn.recalibrate` makes them
those of the scaler. One difference stays: a pixel that never varies in training has
variance 0, by which epsilon divides it, and `StandardScaler` divides it by 1. Where it
is white in validation, the layer makes 4,364 of it, the scaler at most 182; clipping to
10 standard deviations is a remedy. Folded into the first Dense layer, the network
predicts the same without it.
"""

from __future__ import annotations

import numpy as np
from common import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    Data,
    Trainer,
    array,
    at_best_rate,
    command,
    digits,
    keras,
    layers,
    mnist,
    panels,
    sentence,
    spread,
    table,
)
from sklearn.preprocessing import StandardScaler

import kerasbn

RAW, UNIT, SCALER, COLUMNS, PIXELS, CLIPPED = (
    "raw pixels",
    "pixels from 0 to 1",
    "StandardScaler",
    "BN, axis=-1",
    "BN, axis=[1, 2]",
    "BN, axis=[1, 2], clipped",
)
COLOURS = [ORANGE, SKY, BLUE, PURPLE, GREEN, RED]
KINDS = (RAW, UNIT, SCALER, COLUMNS, PIXELS, CLIPPED)
NORMALIZED = (COLUMNS, PIXELS, CLIPPED)
STEPS, EVERY = 300, 50
RATES = [0.001, 0.01, 0.05, 0.2]
CLIP = 10.0  # standard deviations


def run(short: bool = False) -> dict:
    """Train from each kind of input.

    Returns:
        A dict of `curves`, the validation accuracy of runs by step, by (data, input),
        at the best of the `rates`; `steps`; `distance`, by data: how far the layer's
        statistics are from those of all training data, as trained and after
        `recalibrate`; `largest`, by data: the largest standardized value in validation;
        `fold`, by data: what folding did.
    """
    seeds = range(1 if short else 4)
    whites = {"digits": 16} if short else {"digits": 16, "MNIST": 255}
    rates = RATES[2:3] if short else RATES
    steps = list(range(EVERY, (100 if short else STEPS) + 1, EVERY))
    results: dict = {"steps": steps}
    for name in ("curves", "rates", "distance", "largest", "fold"):
        results[name] = {}
    for name, white in whites.items():
        load = digits if name == "digits" else mnist
        raw = load(white)
        scaler = StandardScaler().fit(raw.flat().x)
        sources = {UNIT: load(1.0), SCALER: standardized(raw, scaler)}
        for kind in KINDS:
            data = sources.get(kind, raw)
            trainer = Trainer(lambda k=kind, d=data: network(k, d.x.shape[1:]))
            results["rates"][name, kind], results["curves"][name, kind] = at_best_rate(
                rates,
                seeds,
                lambda rate, seed, trainer=trainer, data=data: curve(
                    trainer, data, seed, rate, steps
                ),
                score=lambda run: run[-1],
            )
            if kind == PIXELS:
                as_trained = distance(trainer.model, scaler)
                kerasbn.recalibrate(trainer.model, raw.x, batch_size=256, verbose=0)
                again = distance(trainer.model, scaler)
                results["distance"][name] = (as_trained, again)
                results["largest"][name] = largest(trainer.model, sources[SCALER], raw)
                results["fold"][name] = fold(trainer.model, raw)
    return results


def curve(trainer: Trainer, data: Data, seed: int, rate: float, steps: list[int]):
    """Train; give the validation accuracy by step."""
    trainer.start(seed, rate)
    accuracies = []
    for _ in steps:
        trainer.train(data, EVERY)
        accuracies.append(trainer.accuracy(data))
    return accuracies


def network(kind: str, shape: tuple[int, int]):
    """Build a dense network of 64, 64 and 10 behind the kind of input."""
    x = inputs = keras.Input(shape)
    if kind in NORMALIZED:
        axis = -1 if kind == COLUMNS else [1, 2]
        x = kerasbn.BatchNormalization(axis=axis, zero_debias=True, name="pixels")(x)
    if kind == CLIPPED:
        x = keras.ops.clip(x, -CLIP, CLIP)
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dense(64, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def standardized(data: Data, scaler: StandardScaler) -> Data:
    """Standardize both parts of the data with the statistics of the first."""
    flat = data.flat()
    x, x_val = (
        scaler.transform(part).reshape(whole.shape).astype("float32")
        for part, whole in ((flat.x, data.x), (flat.x_val, data.x_val))
    )
    return Data(x, data.y, x_val, data.y_val)


def distance(model, scaler: StandardScaler) -> tuple[float, float]:
    """Compare the running statistics with the scaler's, pixels that vary alone.

    Returns:
        The mean distance of the means, in standard deviations, and the mean factor
        between the standard deviations, less 1.
    """
    layer = model.get_layer("pixels")
    mean, variance = (
        array(layer.moving_mean).ravel(),
        array(layer.moving_variance).ravel(),
    )
    varies = scaler.var_ > 0.1
    std = np.sqrt(scaler.var_[varies])
    shift = np.abs(mean[varies] - scaler.mean_[varies]) / std
    factor = np.exp(np.abs(np.log(np.sqrt(variance[varies]) / std)))
    return float(shift.mean()), float(factor.mean() - 1)


def largest(model, scaled: Data, raw: Data) -> tuple[float, float]:
    """Give the largest standardized value in validation: the scaler's, the layer's."""
    layer = model.get_layer("pixels")
    mean, std = array(layer.moving_mean), np.sqrt(array(layer.moving_variance) + 1e-3)
    return float(np.abs(scaled.x_val).max()), float(
        np.abs((raw.x_val - mean) / std).max()
    )


def fold(model, raw: Data) -> dict:
    """Fold the layer into the first Dense layer and compare what both predict."""
    folded = kerasbn.fold_batch_norm(model)
    before, after = (array(network(raw.x_val)) for network in (model, folded.model))
    return {
        "into": [entry["into"] for entry in folded.folded],
        "layers": [type(layer).__name__ for layer in folded.model.layers],
        "difference": float(np.abs(before - after).max()),
        "same": bool((before.argmax(-1) == after.argmax(-1)).all()),
    }


def report(results: dict) -> str:
    """Set out the tables and say what they show."""
    steps, curves = results["steps"], results["curves"]
    sets = sorted({name for name, _ in curves})
    shown = [index for index in (0, 1, 3, 5) if index < len(steps)]
    rows = [
        [f"{name}, {kind}", f"{results['rates'][name, kind]:g}"]
        + [spread([run[i] for run in runs]) for i in shown]
        for (name, kind), runs in curves.items()
    ]
    near = []
    for name, (as_trained, again) in results["distance"].items():
        shift, factor = as_trained
        near.append(
            [
                name,
                f"{shift:.3f}",
                f"{100 * factor:.1f} %",
                f"{again[0]:.0e}",
                f"{100 * again[1]:.0e} %",
                *(f"{v:.0f}" for v in results["largest"][name]),
            ]
        )
    last = {key: np.median([run[-1] for run in runs]) for key, runs in curves.items()}
    first = {key: np.median([run[0] for run in runs]) for key, runs in curves.items()}
    texts = []
    for name in sets:
        ends = ", ".join(f"{last[name, kind]:.1f} % {kind}" for kind in KINDS)
        begins = ", ".join(f"{first[name, kind]:.0f}" for kind in KINDS)
        texts.append(f"{name}: {ends} (after {steps[0]} steps: {begins} %)")
    folds = results["fold"].values()
    return "\n\n".join(
        [
            "Validation accuracy in % by steps of 32 samples; median (range) of "
            f"{len(next(iter(curves.values())))} runs",
            table(["", "rate", *(str(steps[index]) for index in shown)], rows),
            "Running statistics of axis=[1, 2] against those of all training data, and "
            "the largest\nstandardized value in validation",
            table(
                [
                    "",
                    "mean off by",
                    "std off by",
                    "recalibrated: mean",
                    "std",
                    "largest, scaler",
                    "largest, BN",
                ],
                near,
            ),
            sentence(
                "Last accuracies, "
                + "; ".join(texts)
                + ". Folded into the first Dense "
                "layer, the layer is gone and predictions differ by "
                f"{max(fold['difference'] for fold in folds):.0e} at most "
                f"({'same' if all(fold['same'] for fold in folds) else 'not the same'} "
                "digits)."
            ),
        ]
    )


def draw(results: dict):
    """Draw accuracy by step, one panel for each set of data."""
    sets = sorted({name for name, _ in results["curves"]}, reverse=True)
    figure, axes = panels(1, len(sets), width=5.5 * len(sets), height=4)
    for panel, name in zip(axes[0], sets, strict=True):
        for kind, colour in zip(KINDS, COLOURS, strict=True):
            runs = np.array(results["curves"][name, kind])
            style = "s--" if kind == SCALER else "o-"
            panel.plot(
                results["steps"],
                np.median(runs, axis=0),
                style,
                color=colour,
                label=kind,
                ms=4,
            )
            panel.fill_between(
                results["steps"],
                runs.min(axis=0),
                runs.max(axis=0),
                color=colour,
                alpha=0.12,
                linewidth=0,
            )
        panel.set(xlabel="training steps", title=name)
    axes[0, 0].set_ylabel("validation accuracy in %")
    axes[0, 0].legend(fontsize="small", loc="lower right")
    return figure


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
