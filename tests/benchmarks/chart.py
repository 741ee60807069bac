"""A bar chart from the JSON files of `tests.benchmarks.layer`.

    python -m tests.benchmarks.chart tf.json jax.json torch.json --output speed.png

One bar per case: how many times as fast as stock, with the quartiles of the ratio.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, default="speed.png")
    arguments = parser.parse_args()
    rows = [row for file in arguments.files for row in json.loads(file.read_text())]
    draw(rows).savefig(arguments.output, dpi=150)


def draw(rows):
    """One panel for each backend, dtype policy, mode and whether with jit."""
    panels = {}
    for row in rows:
        panels.setdefault(title(row), []).append(row)
    height = 0.6 * len(panels) + 0.25 * len(rows)
    figure, axes = plt.subplots(
        len(panels),
        figsize=(8, height),
        squeeze=False,
        height_ratios=[len(rows) + 2 for rows in panels.values()],
        layout="constrained",
    )
    for panel, (name, group) in zip(axes[:, 0], panels.items(), strict=True):
        bars(panel, group)
        panel.set_title(name, loc="left", fontsize=10)
    axes[-1, 0].set_xlabel("times as fast as keras.layers.BatchNormalization")
    return figure


def title(row):
    jit = ", jit" if row["jit"] else ""
    return f"{row['backend']}, {row['mode']}, {row['policy']}{jit}"


def bars(panel, rows):
    names = [row["case"] for row in rows]
    ratios = [row["ratio"] for row in rows]
    below = [row["ratio"] - row["low"] for row in rows]
    above = [row["high"] - row["ratio"] for row in rows]
    drawn = panel.barh(names, ratios, xerr=[below, above], capsize=2)
    panel.bar_label(drawn, [f"{ratio:.2f}" for ratio in ratios], padding=4, fontsize=8)
    panel.axvline(1, color="black", linewidth=1)
    panel.invert_yaxis()
    panel.margins(x=0.12)


if __name__ == "__main__":
    main()
