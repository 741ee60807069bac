"""What was folded, what was kept and why, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from kerasbn.archive import replacing
from kerasbn.errors import UnusableFileError
from kerasbn.folding.abridging import abridged
from kerasbn.folding.picture import Network, draw
from kerasbn.folding.sizes import ModelSize, size_before

if TYPE_CHECKING:
    from kerasbn.folding.apply import FoldedModel


class Folded(TypedDict):
    """A BN that went, by its path, and the layers that took it in."""

    layer: str
    into: list[str]
    route: Literal["backward", "forward"]


class KeptBatchNorm(TypedDict):
    """A BN that stayed, by its path, and why."""

    layer: str
    reason: str


class Errors(TypedDict):
    """Relative differences between original and folded model; None if not measured."""

    float64: float | None
    float32: float | None


@dataclass
class FoldResult:
    """What folding did.

    Attributes:
        model: the folded model, where a live model was folded.
        source: the file that was folded.
        destination: the file that was, or after a dry run would be, written.
        folded: the BN that went, each with the layers that took it in.
        kept: the BN that stayed, each with the reason.
        verified: whether the folded model was proven equal; None if that was not asked
            for, or if nothing was folded and the model cannot be run here.
        error: the largest difference of outputs relative to the largest output, in
            float64 arithmetic (the proof) and in the model's own.
        noise: the relative difference of the original's own outputs from its outputs
            in float64: what `error["float32"]` is to be judged by.
        notes: what else there is to know.
        before: the size of the original.
        after: the size of the folded model.
        network: what the picture shows.
    """

    source: Path | None
    destination: Path | None
    folded: list[Folded]
    kept: list[KeptBatchNorm]
    verified: bool | None = None
    error: Errors = field(default_factory=lambda: Errors(float64=None, float32=None))
    noise: float | None = None
    notes: list[str] = field(default_factory=list)
    model: Any = None
    before: ModelSize | None = None
    after: ModelSize | None = None
    network: Network = field(default_factory=lambda: Network("", (), 0))

    @classmethod
    def of(
        cls, model: FoldedModel, source: Path | None, destination: Path | None
    ) -> FoldResult:
        """The result of a plan, before anything is verified or written."""
        plan = model.plan
        folded = [
            Folded(layer=fold.batch_norm.path, into=plan.takers(fold), route=fold.route)
            for fold in plan.in_graph_order()
        ]
        kept = [
            KeptBatchNorm(layer=kept.batch_norm.path, reason=kept.reason)
            for kept in plan.kept
        ]
        name = str(model.graph.model["config"].get("name") or "model")
        return cls(
            source,
            destination,
            folded,
            kept,
            before=size_before(model),
            network=Network.of(name, plan, folded, kept),
        )

    @property
    def batch_norms(self) -> int:
        """How many BN layers the model had, each counted once."""
        return len(self.folded) + len(self.kept)

    def to_json(self) -> dict[str, Any]:
        """The object that `model-fold --json` prints."""
        return {
            "source": None if self.source is None else str(self.source),
            "destination": None if self.destination is None else str(self.destination),
            "batch_norms": self.batch_norms,
            "folded": self.folded,
            "kept": self.kept,
            "verified": self.verified,
            "error": {key: _number(value) for key, value in self.error.items()},
        }

    def picture(self) -> str:
        """The network as SVG, each BN coloured by what became of it.

        Pointing at a layer shows its class, its name, and what was done or why not.
        Networks of more than 4,000 layer calls are cut off there, and say so.
        """
        return draw(self.network, self.headline)

    def save_picture(self, path: str | Path) -> None:
        """Write the picture to an `.svg` file, which appears only once it is whole.

        Raises:
            UnusableFileError: if `path` does not end in `.svg` or cannot be written.
        """
        with replacing(check_picture(path)) as temporary:
            temporary.write_text(self.picture(), encoding="utf-8")

    @property
    def headline(self) -> str:
        """One line that says it all: `3 of 4 BN layers folded`."""
        return f"{len(self.folded)} of {self.batch_norms} BN layers folded"

    def _repr_html_(self) -> str:
        from kerasbn.folding.notebook import as_html

        return as_html(self)

    def __str__(self) -> str:
        lines = [self.headline]
        for bn, alike in abridged(self.kept):
            lines.append(f"  kept: {bn['layer']}: {bn['reason']}")
            if alike:
                lines.append(f"  kept: {alike} more for like reasons (see .kept)")
        if self.error["float64"] is not None:
            lines.append(f"  relative error in float64: {self.error['float64']:.1e}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    __repr__ = __str__


def check_picture(path: str | Path) -> Path:
    """The path of a picture.

    Raises:
        UnusableFileError: if it does not end in `.svg`.
    """
    path = Path(path)
    if path.suffix != ".svg":
        raise UnusableFileError(
            "The picture must end in .svg, the one format that is drawn. Received: "
            f"{path}."
        )
    return path


def _number(value: object) -> float | None:
    """A finite number, or None, since JSON has no others."""
    return value if isinstance(value, float) and isfinite(value) else None


class NotEqualError(ArithmeticError):
    """A folded model does not compute what the original does; nothing was written.

    Attributes:
        result: the `kerasbn.FoldResult` with the errors that were measured.
    """

    def __init__(self, message: str, result: FoldResult) -> None:
        super().__init__(message)
        self.result = result
