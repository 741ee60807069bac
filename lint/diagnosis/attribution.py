"""The part of a gap that each batch normalization layer alone accounts for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .layers import assign_data, assign_running
from .names import BATCH_NORM, INFERENCE, RECALIBRATED

if TYPE_CHECKING:
    from .evidence import Evidence
    from .judge import Judge
    from .layers import LayerState

_MOST_LAYERS, _MOST_BATCHES = 32, 8


def attributed(evidence: Evidence, judge: Judge) -> Evidence:
    """Add the part of the gap that each layer alone accounts for, and sort by it."""
    states = sorted(evidence.layers, key=_badness, reverse=True)
    if evidence.is_harmed:
        aim = BATCH_NORM if evidence.has_loss and evidence.has_gap else RECALIBRATED
        count = min(_MOST_BATCHES, len(evidence.data.batches))
        ours = evidence.scores[INFERENCE].losses[:count]
        gap = float((ours - evidence.scores[aim].losses[:count]).mean())
        for index, state in enumerate(states[:_MOST_LAYERS]):
            if state.is_off and np.isfinite(gap) and gap > 0:
                assign_data([state])
                left = float((ours - judge.first_losses(count)).mean())
                assign_running([state])
                states[index] = state.with_share(left / gap)
        states.sort(key=lambda state: (-max(state.share or 0.0, 0.0), -_badness(state)))
    return replace(evidence, layers=tuple(states))


def _badness(state: LayerState) -> float:
    """Sort key: a number for the distance of the statistics from the data's."""
    it = state.distance
    if it is None:
        return -1.0
    if not it.is_finite:
        return np.inf
    return it.shift + float(np.log(it.ratio))
