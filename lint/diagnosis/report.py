"""The result of `lint.diagnose`: causes, remedy, and all measurements."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from .names import BATCH_NORM, INFERENCE, RECALIBRATED
from .sentences import headline_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .cause import Cause
    from .evidence import Evidence
    from .layers import LayerState
    from .modes import Use
    from .scores import Score, Spread

_MOST_LISTED = 4


@dataclass(frozen=True)
class Diagnosis:
    """The problems of a trained model's batch normalization, and the remedy.

    Attributes:
        causes: the most certain first; empty for a healthy model.
        evidence: all measurements.
    """

    causes: Sequence[Cause]
    evidence: Evidence

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.causes

    @property
    def headline(self) -> str:
        """A one-line summary."""
        return headline_of(self)

    @property
    def scores(self) -> Mapping[str, Score]:
        """Loss and metrics of the same batches, by mode."""
        return self.evidence.scores

    @property
    def layers(self) -> Sequence[LayerState]:
        """The batch normalization layers, worst first."""
        return self.evidence.layers

    @property
    def modes(self) -> Mapping[str, Mapping[str, Use]]:
        """The use of each layer in `fit`, `predict`, `evaluate`, `model(x)`, by path.

        Each says which statistics are used, and whether the running ones are updated.
        """
        return self.evidence.modes

    @property
    def left_out(self) -> tuple[int, ...]:
        """The positions of outliers that were left out: of samples, or of batches."""
        outliers = self.evidence.data.outliers
        return outliers.positions if outliers else ()

    @property
    def remedy(self) -> str | None:
        """A line of code that was tried and helps this model; None if none is known."""
        evidence = self.evidence
        if self.healthy or not evidence.helps or evidence.is_mixed or evidence.apart:
            return None
        data = evidence.data
        if data.from_arrays:
            line = f"kerasbn.recalibrate(model, {self._data_kept()})"
            lacks = evidence.preprocessing and self.causes[0].name == "unlike data"
            return f"{line}  # if the model is to take x as it is" if lacks else line
        enough = data.merged()[0].samples
        if enough > data.batch_size:
            return f"kerasbn.recalibrate(model, data)  # in batches of {enough} or more"
        if data.outliers:
            kept = f"b for i, b in enumerate(data) if i not in {self._listed()}"
            return f"kerasbn.recalibrate(model, ({kept}), steps={len(data.batches)})"
        return f"kerasbn.recalibrate(model, data, steps={len(data.batches)})"

    def _data_kept(self) -> str:
        """Return the expression of the data without outliers."""
        data = self.evidence.data
        if data.outliers is None or data.whole is None:
            return "x"
        if hasattr(data.whole.x, "shape"):
            return f"np.delete(x, {self._listed()}, axis=0)"
        kept = f"lambda a: np.delete(a, {self._listed()}, axis=0)"
        return f"keras.tree.map_structure({kept}, x)"

    def _listed(self) -> str:
        """Return the expression of what was left out, by name if it is long."""
        few = len(self.left_out) <= _MOST_LISTED
        return str(list(self.left_out)) if few else "diagnosis.left_out"

    def to_json(self) -> dict[str, Any]:
        """Return the object that `model-lint diagnose --json` prints."""
        evidence = self.evidence
        outliers = evidence.data.outliers
        before, after = (
            evidence.scores.get(mode) for mode in (INFERENCE, RECALIBRATED)
        )
        return {
            "healthy": self.healthy,
            "headline": self.headline,
            "causes": [
                {
                    "name": cause.name,
                    "certainty": cause.certainty,
                    "layers": list(cause.layers),
                    "evidence": cause.evidence,
                    "advice": cause.advice,
                }
                for cause in self.causes
            ],
            "remedy": self.remedy,
            "trial": after
            and {
                "helps": evidence.helps and not evidence.is_mixed,
                "before": _score(before),
                "after": _score(after),
            },
            "compared": "losses" if evidence.has_loss else "outputs",
            "no_loss": evidence.no_loss or None,
            "samples": evidence.data.samples,
            "left_out": outliers
            and {
                "batches" if outliers.are_batches else "samples": list(self.left_out),
                "times": outliers.times,
            },
            "batch_size": evidence.data.batch_size,
            "steps": evidence.steps,
            "gap": _number(evidence.gap) if BATCH_NORM in evidence.scores else None,
            "scores": {name: _score(score) for name, score in evidence.scores.items()},
            "layers": [_layer(layer) for layer in evidence.layers],
            "modes": {
                path: {
                    way: {"uses": use.uses, "moves": use.moves, "known": use.is_known}
                    for way, use in uses.items()
                }
                for path, uses in evidence.modes.items()
            },
        }

    def save_picture(self, path: str | Path) -> None:
        """Draw modes and layers into a file, such as `diagnosis.png`.

        Raises:
            UsageError: if Matplotlib is missing, or the file cannot be written.
        """
        from .picture import save

        save(self, path)

    def __str__(self) -> str:
        from .text import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.headline}>"

    def _repr_html_(self) -> str:
        from .notebook import as_html

        return as_html(self)


def _layer(state: LayerState) -> dict[str, Any]:
    away = state.distance
    return {
        "layer": state.path,
        "frozen": state.frozen,
        "momentum": state.momentum,
        "dtype": state.dtype,
        "shift": _number(away.shift) if away else None,
        "ratio": _number(away.ratio) if away else None,
        "share": None if state.share is None else _number(state.share),
    }


def _score(score: Score | None) -> dict[str, Any] | None:
    if score is None:
        return None
    return {
        "loss": _spread(score.loss),
        "metrics": {name: _spread(metric) for name, metric in score.metrics.items()},
    }


def _spread(spread: Spread) -> dict[str, float | None]:
    return {"mean": _number(spread.mean), "deviation": _number(spread.deviation)}


def _number(value: float) -> float | None:
    """Return a finite number, or None, since JSON has no others."""
    return value if isfinite(value) else None
