"""The rows of the tables that text and notebook share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .modes import WAYS
from .names import (
    BATCH_NORM,
    DROPOUT,
    INFERENCE,
    OTHER_EPSILON,
    PREPROCESSED,
    RECALIBRATED,
    TRAINING,
    UNFLAGGED,
)
from .sentences import number, printable, with_spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .layers import LayerState
    from .report import Diagnosis
    from .scores import Score

LAYER_TITLES = (
    "layer, worst first",
    "momentum",
    "mean off by",
    "variance",
    "alone explains",
)
USE_TITLES = ("statistics used in", *WAYS)

MODES_IN_ORDER = (
    INFERENCE,
    TRAINING,
    BATCH_NORM,
    DROPOUT,
    UNFLAGGED,
    OTHER_EPSILON,
    PREPROCESSED,
    RECALIBRATED,
)
_MOST_LAYERS, _WORTH_IT = 10, 3  # shown, and the fewest others worth summing up
_LEAST = 0.005  # that is not shown as 0


def score_rows(diagnosis: Diagnosis) -> tuple[list[str], list[list[str]]]:
    """Return titles and rows: for each mode, loss and metrics with their spread."""
    scores = diagnosis.scores
    names = list(scores[INFERENCE].metrics)
    first = "loss" if diagnosis.evidence.has_loss else "distance of outputs"
    rows = [
        [mode, with_spread(scores[mode].loss)]
        + [with_spread(scores[mode].metrics[name]) for name in names]
        for mode in MODES_IN_ORDER
        if mode in scores and not (mode == DROPOUT and _drops_nothing(scores))
    ]
    return ["the same batches in", first, *names], rows


def _drops_nothing(scores: Mapping[str, Score]) -> bool:
    """Whether nothing but batch normalization depends on the phase."""
    return bool(
        np.allclose(scores[DROPOUT].losses, scores[INFERENCE].losses, rtol=1e-6)
    )


def layer_rows(diagnosis: Diagnosis) -> list[list[str]]:
    """Return, for each layer, how far it is off; many are summed up in a last row."""
    layers = diagnosis.layers
    few = len(layers) < _MOST_LAYERS + _WORTH_IT
    shown_ones = layers if few else layers[:_MOST_LAYERS]
    rows = [_layer_row(layer) for layer in shown_ones]
    rest = [layer.distance for layer in layers[len(shown_ones) :] if layer.distance]
    if rest:
        rows.append(
            [
                f"... {len(layers) - len(shown_ones)} more, at most",
                "",
                _shift(max(distance.shift for distance in rest)),
                f"x {number(max(distance.ratio for distance in rest))}",
                "",
            ]
        )
    return rows


def use_rows(diagnosis: Diagnosis) -> list[list[str]]:
    """Return the statistics used in each way to run; similar layers share a row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for path, uses in diagnosis.modes.items():
        alike.setdefault(tuple(str(uses[way]) for way in WAYS), []).append(path)
    return [[_named(paths), *texts] for texts, paths in alike.items()]


def _layer_row(state: LayerState) -> list[str]:
    away, momentum = state.distance, state.momentum
    return [
        printable(state.path) + (" (frozen)" if state.frozen else ""),
        "average" if momentum is None else f"{momentum:g}",
        "no data" if away is None else _shift(away.shift),
        "no data" if away is None else _factor(away.scale, away.ratio),
        part(state.share) or "-",
    ]


def part(share: float | None) -> str:
    """Format the part of the gap that a layer explains; empty if it is none of it."""
    return "" if share is None or share < _LEAST else f"{share:.0%}"


def _shift(shift: float) -> str:
    return f"{number(shift)} std" if not shift < _LEAST else "0 std"


def _factor(scale: float, ratio: float) -> str:
    """Format the factor, and whether the running variance is too large or too small."""
    if not ratio > 1.05:
        return "x 1" if ratio <= 1.05 else "not a number"
    side = " too large" if scale > ratio**0.5 else ""
    side = " too small" if scale < ratio**-0.5 else side
    return f"x {number(ratio)}{side}"


def _named(paths: list[str]) -> str:
    if len(paths) == 1:
        return printable(paths[0])
    return f"{printable(paths[0])} and {len(paths) - 1} more"
