"""A bar chart from the results of `tests.benchmarks.all`."""

from __future__ import annotations

import matplotlib as mpl

from .tables import COLUMNS, label

mpl.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {"training": "tab:blue", "inference": "lightsteelblue"}


def draw(results):
    """One panel for each backend, one more for models; the lines are quartiles."""
    rows = results["layer"]
    names = list(dict.fromkeys(map(label, rows)))
    figure, panels = plt.subplots(
        1, len(COLUMNS), figsize=(15, 0.34 * len(names) + 2.4), sharey=True, sharex=True
    )
    for panel, (column, title) in zip(panels, COLUMNS.items(), strict=True):
        chosen = [row for row in rows if (row["backend"], row["jit"]) == column]
        for shift, (mode, colour) in zip((-0.2, 0.2), COLOURS.items(), strict=True):
            bars(panel, names, [r for r in chosen if r["mode"] == mode], shift, colour)
        panel.set_title(title, fontsize=10)
        panel.axvline(1, color="black", linewidth=1)
    panels[0].set_xscale("log", base=2)
    panels[0].set_xlim(0.6, 16)
    panels[0].xaxis.set_major_formatter("{x:g}")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    panels[0].legend(loc="lower right", fontsize=8)
    panels[2].set_xlabel("times as fast as keras.layers.BatchNormalization")
    models = [f"{row['model']} {row['ratio']:.2f}" for row in results["models"]]
    figure.suptitle(
        "Training steps of whole models, TensorFlow: " + ", ".join(models), fontsize=10
    )
    figure.tight_layout()
    return figure


def bars(panel, names, rows, shift, colour):
    panel.barh(
        [names.index(label(row)) + shift for row in rows],
        [row["ratio"] for row in rows],
        height=0.4,
        color=colour,
        label=rows[0]["mode"] if rows else None,
        xerr=[
            [row["ratio"] - row["low"] for row in rows],
            [row["high"] - row["ratio"] for row in rows],
        ],
        error_kw={"elinewidth": 0.8},
    )
    for row in rows:
        height = names.index(label(row)) + shift
        panel.text(
            row["high"] * 1.05, height, f"{row['ratio']:.2f}", fontsize=6, va="center"
        )
