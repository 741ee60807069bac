"""Markdown from the results of `tests.benchmarks.all`."""

from __future__ import annotations

import statistics

BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
COLUMNS = {
    ("tensorflow", False): "TensorFlow",
    ("tensorflow", True): "TensorFlow, jit",
    ("jax", False): "JAX, no jit",
    ("jax", True): "JAX, jit",
    ("torch", False): "PyTorch",
}


def inserted(page, block):
    """The text with what is between the two marks replaced."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{block}\n{END}{after}"


def headline(results):
    """The chart, and what it says in a sentence."""
    layer = [
        f"{title.removesuffix(', no jit')} {usual(results['layer'], *column):.1f}"
        for column, title in COLUMNS.items()
    ]
    whole = [f"{r['model']} {r['ratio']:.2f}" for r in results["models"]]
    parts = [
        "![Bars: how many times as fast as stock](tests/benchmarks/speed.png)",
        "Times as fast as `keras.layers.BatchNormalization`. The layer in training, "
        f"median over shapes and axes: {'; '.join(layer)}. Training steps of whole "
        f"models on TensorFlow: {', '.join(whole)}.",
    ]
    return "\n\n".join(parts) + "\n"


def usual(rows, backend, jit):
    """The median ratio of training in float32, over shapes and axes."""
    return statistics.median(
        row["ratio"]
        for row in rows
        if (row["backend"], row["jit"]) == (backend, jit)
        and (row["mode"], row["variant"]) == ("training", "float32")
    )


def summary(results):
    """How many times as fast as stock, with the quartiles of the ratio."""
    parts = [
        "![Bars: how many times as fast as stock](../tests/benchmarks/speed.png)"
        "{.drawn .wide}",
        f"Measured on {results['machine']}: medians, and quartiles in parentheses. "
        "[All rows, with times and passes over memory](benchmarks-all.md).",
        "Training (forward and backward):",
        ratios(results["layer"], "training"),
        "Inference:",
        ratios(results["layer"], "inference"),
        "Training steps of whole models (TensorFlow, no jit, batch 16 at 96 x 96):",
        models(results["models"]),
        "Extra peak memory of a training call, in tensors of the input's size "
        "(stock → kerasbn):",
        memory(results["memory"]),
    ]
    return "\n\n".join(parts) + "\n"


def full(results):
    """All rows, with times."""
    parts = [
        "# Speed of the layer",
        f"Measured on {results['machine']}. Medians, in milliseconds; the ratio is the "
        "median of interleaved pairs, with its quartiles. A pass is half the time in "
        "which the tensor is copied.",
        times(results["layer"]),
    ]
    return "\n\n".join(parts) + "\n"


def label(row):
    return row["case"] + ("" if row["variant"] == "float32" else f", {row['variant']}")


def ratios(rows, mode):
    """One line for each case, one column for each backend."""
    chosen = [row for row in rows if row["mode"] == mode]
    cells = {(label(r), r["backend"], r["jit"]): ratio(r) for r in chosen}
    lines = [
        [name, *(cells.get((name, *column), "-") for column in COLUMNS)]
        for name in dict.fromkeys(map(label, chosen))
    ]
    return table(["", *COLUMNS.values()], lines)


def times(rows):
    header = ["", "", "stock", "kerasbn", "ratio", "passes", "PyTorch's own"]
    lines = []
    for row in rows:
        per_pass = row["copy"] / 2
        passes = f"{row['stock'] / per_pass:.1f} → {row['ours'] / per_pass:.1f}"
        native = f"{row['native']:.3f}" if row["native"] else ""
        where = f"{COLUMNS[row['backend'], row['jit']]}, {row['mode']}"
        both = f"{row['stock']:.3f}", f"{row['ours']:.3f}"
        lines.append([where, label(row), *both, ratio(row), passes, native])
    return table(header, lines)


def models(rows):
    """With the backend's own BN, bare of all guards, and with none, if measured."""
    header = ["", "stock", "kerasbn", "bare", "without BN", "ratio", "of bare"]
    lines = []
    for row in rows:
        times = [row.get(name) for name in ("stock", "ours", "bare", "without")]
        milliseconds = ["" if time is None else f"{time:.0f} ms" for time in times]
        of_bare = ""
        if "of_bare" in row:
            middle, low, high = row["of_bare"]
            of_bare = f"{middle:.2f} ({low:.2f}-{high:.2f})"
        lines.append([row["model"], *milliseconds, ratio(row), of_bare])
    return table(header, lines)


def memory(rows):
    cells = [f"{r['stock']['extra']:.1f} → {r['ours']['extra']:.1f}" for r in rows]
    return table([COLUMNS[r["backend"], r["jit"]] for r in rows], [cells])


def ratio(row):
    return f"{row['ratio']:.2f} ({row['low']:.2f}-{row['high']:.2f})"


def table(header, lines):
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *lines])
