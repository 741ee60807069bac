"""Can batch normalization be written by hand?

Forward and backward are ten lines of NumPy. Here they stand beside the layer and its
automatic differentiation, for vectors (64 samples of 32) and for images (16 of 8 x 8
with 6 channels), in float32 and float64. The formulas are those of Ioffe and Szegedy
(2015), section 3.

**Result.** Output, gradients for the input, gamma and beta, and the new running
statistics are the same to rounding: to 2e-6 in float32, and to 3e-15 in float64.
"""

from __future__ import annotations

import numpy as np
from common import (
    BLACK,
    BLUE,
    ORANGE,
    array,
    command,
    keras,
    panels,
    sentence,
    slopes_of,
    table,
)

import kerasbn

SHAPES = {"vectors": (64, 32), "images": (16, 8, 8, 6)}
QUANTITIES = (
    "output",
    "d input",
    "d gamma",
    "d beta",
    "moving mean",
    "moving variance",
)
MOMENTUM, EPSILON = 0.9, 1e-3


def forward(x, gamma, beta):
    """Normalize x (..., channels) over all axes but the last."""
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    normalized = (x - mean) / np.sqrt(variance + EPSILON)
    return gamma * normalized + beta, (normalized, mean, variance)


def backward(slope, normalized, variance, gamma):
    """Give the gradients for x, gamma and beta, from that for the output."""
    axes = tuple(range(slope.ndim - 1))
    d_beta, d_gamma = slope.sum(axes), (slope * normalized).sum(axes)
    count = slope.size / len(gamma)
    centred = slope - d_beta / count - normalized * d_gamma / count
    return gamma / np.sqrt(variance + EPSILON) * centred, d_gamma, d_beta


def run(short: bool = False) -> dict:
    """Compare with the layer.

    Returns:
        A dict of the largest differences, relative to the largest value, in the order
        of `QUANTITIES`, by (shape, dtype); each the largest of all seeds.
    """
    results = {}
    for name, shape in SHAPES.items():
        for dtype in ("float32", "float64"):
            runs = [compare(shape, dtype, seed) for seed in range(1 if short else 10)]
            results[name, dtype] = np.max(runs, axis=0)
    return results


def compare(shape: tuple[int, ...], dtype: str, seed: int) -> list[float]:
    """Compare once, on normal inputs of mean 3 and standard deviation 2."""
    rng = np.random.default_rng(seed)
    x, slope = rng.normal(3, 2, shape), rng.normal(size=shape)
    gamma, beta = rng.normal(1, 0.3, shape[-1]), rng.normal(size=shape[-1])

    y, (normalized, mean, variance) = forward(x, gamma, beta)
    by_hand = [y, *backward(slope, normalized, variance, gamma)]
    by_hand += [
        (1 - MOMENTUM) * mean,
        MOMENTUM + (1 - MOMENTUM) * variance,
    ]

    layer = kerasbn.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, dtype=dtype)
    layer.build(shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    inputs = keras.Variable(x, dtype=dtype)
    weights = keras.ops.convert_to_tensor(slope, dtype)

    def scalar():
        outputs = layer(keras.ops.convert_to_tensor(inputs), training=True)
        by_layer.append(outputs)
        return keras.ops.sum(weights * outputs)

    by_layer: list = []
    by_layer += slopes_of(scalar, [inputs, layer.gamma, layer.beta])
    by_layer += [layer.moving_mean, layer.moving_variance]
    return [
        float(np.abs(array(ours) - hand).max() / np.abs(hand).max())
        for ours, hand in zip(by_layer, by_hand, strict=True)
    ]


def report(results: dict) -> str:
    """Set out the table and say what it shows."""
    rows = [
        [name_of(*key), *(f"{value:.0e}" for value in values)]
        for key, values in results.items()
    ]
    worst = {
        dtype: max(
            values.max() for (_, name), values in results.items() if name == dtype
        )
        for dtype in ("float32", "float64")
    }
    return "\n\n".join(
        [
            "Largest difference between ten lines of NumPy (in float64) and the layer, "
            "relative\nto the largest value",
            table(["", *QUANTITIES], rows),
            sentence(
                f"By hand and by the layer agree to {worst['float32']:.0e} in float32 "
                f"and {worst['float64']:.0e} in float64, where one rounding is 6e-08 "
                "and 1e-16: forward and backward, for vectors and for images."
            ),
        ]
    )


def name_of(shape: str, dtype: str) -> str:
    """Name a case."""
    return f"{shape}, {dtype}"


def draw(results: dict):
    """Draw the differences, with one rounding as a line."""
    figure, axes = panels(width=9, height=3.8)
    panel = axes[0, 0]
    styles = {"vectors": (-0.12, "o"), "images": (0.12, "s")}
    for (shape, dtype), values in results.items():
        shift, marker = styles[shape]
        panel.plot(
            np.arange(len(QUANTITIES)) + shift,
            np.maximum(values, 1e-18),
            marker,
            color=BLUE if dtype == "float32" else ORANGE,
            label=name_of(shape, dtype),
        )
    for dtype in (np.float32, np.float64):
        rounding = float(np.finfo(dtype).eps) / 2
        panel.axhline(rounding, color=BLACK, lw=1, ls="--")
        text = f"one rounding of {np.dtype(dtype).name}"
        panel.text(2.5, rounding / 1.6, text, ha="center", va="top", fontsize="small")
    panel.set_xticks(range(len(QUANTITIES)), QUANTITIES)
    panel.set(
        yscale="log",
        ylim=(1e-18, 1e-4),
        ylabel="largest relative difference",
        title="ten lines of NumPy against the layer",
    )
    panel.legend(fontsize="small", loc="center right")
    return figure


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
