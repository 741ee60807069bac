"""The result of folding: what was folded, what was kept and why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbn.errors import UnusableFileError
from kerasbn.folding.abridging import abridged
from kerasbn.folding.handover import Exported, exported_model, format_of
from kerasbn.folding.outcome import NO_PROOF, Errors, Folded, KeptBatchNorm, Proof
from kerasbn.folding.picture import Network, draw
from kerasbn.folding.sizes import ModelSize, size_before
from kerasbn.writing import is_same_file, replacing, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kerasbn.folding.apply import FoldedModel


@dataclass(frozen=True, repr=False)
class FoldResult:
    """The result of folding.

    Attributes:
        source: the file that was folded.
        destination: the file that was, or after a dry run would be, written.
        folded: the folded BN layers, each with the layers that absorbed it.
        kept: the BN layers that were kept, each with the reason.
        proof: the runs that prove it equal, and how far their results differ.
        notes: further remarks.
        message: why there is no folded model; None if there is one.
        model: the folded model, if a live model was folded.
        before: the size of the original.
        after: the size of the folded model.
        network: the content of the picture.
        export_run: the format of an export, and its difference from the original; None
            if a Keras model was made.
    """

    source: Path | None
    destination: Path | None
    folded: list[Folded] = field(default_factory=list)
    kept: list[KeptBatchNorm] = field(default_factory=list)
    proof: Proof = NO_PROOF
    notes: list[str] = field(default_factory=list)
    message: str | None = None
    model: Any = None
    before: ModelSize | None = None
    after: ModelSize | None = None
    network: Network = field(default_factory=lambda: Network("", (), 0))
    export_run: Exported | None = None

    @classmethod
    def of(
        cls,
        model: FoldedModel,
        source: Path | None,
        destination: Path | None,
        *,
        after: ModelSize | None = None,
        proof: Proof = NO_PROOF,
        notes: Sequence[str] = (),
        message: str | None = None,
        export: Exported | None = None,
    ) -> FoldResult:
        """Build the result of a plan that has been carried out, or would be."""
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
            proof,
            [*notes, *proof.notes],
            message,
            before=size_before(model),
            after=after,
            network=Network.of(name, plan, folded, kept),
            export_run=export,
        )

    @property
    def verified(self) -> bool | None:
        """Whether all that was run is equal; None if nothing was run."""
        return self.proof.equal

    @property
    def error(self) -> Errors:
        """The largest difference of outputs relative to the largest output.

        It is given in float64 arithmetic, which is the proof, and in the model's own.
        """
        return Errors(float64=self.proof.float64, float32=self.proof.float32)

    @property
    def noise(self) -> float | None:
        """The difference of the original's own outputs from those in float64.

        `error["float32"]` should be judged by it.
        """
        return self.proof.noise

    @property
    def batch_norms(self) -> int:
        """The number of BN layers in the model, each counted once."""
        return len(self.folded) + len(self.kept)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `model-fold --json` prints."""
        return {
            "source": None if self.source is None else str(self.source),
            "destination": None if self.destination is None else str(self.destination),
            "batch_norms": self.batch_norms,
            "folded": self.folded,
            "kept": self.kept,
            "verified": self.verified,
            "error": {key: _number(value) for key, value in self.error.items()},
            "proof": self.proof.scope,
            "not_run": list(self.proof.not_run),
            "notes": self.notes,
            "message": self.message,
            "before": None if self.before is None else self.before._asdict(),
            "after": None if self.after is None else self.after._asdict(),
            "export": self._export_to_json(),
        }

    def _export_to_json(self) -> dict[str, Any] | None:
        run = self.export_run
        return run and {"format": run.format, "error": _number(run.error)}

    def export(self, path: str | Path, *, force: bool = False) -> Exported:
        """Export the folded model, if a live one was folded, and test the export.

        Args:
            path: an `.onnx` or `.tflite` file, or else a folder for a SavedModel.
            force: whether to replace an existing one.

        Returns:
            The format, and the difference of the export from the folded model.

        Raises:
            NotEqualError: if the export is not equal; nothing was written.
            UnusableFileError: if it cannot be made, run or written.
        """
        format_ = format_of(path)
        if self.model is None or not format_.is_export:
            raise UnusableFileError(
                "A live folded model can be exported to .onnx, .tflite or a folder. "
                f"Received: {path}. Use result.model.save to save it as a Keras model, "
                "or pass this destination to fold_file."
            )
        format_.check_installed()
        with format_.replacing(Path(path), force=force) as temporary:
            export = exported_model(self.model, temporary, format_, self.noise)
            if not export.equal:
                message = export.message
                raise NotEqualError(message, replace(self, message=message))
        return export

    def picture(self) -> str:
        """The network as SVG, with each BN coloured by its outcome.

        Pointing at a layer shows its class, its name, and what was done or why not.
        Networks of more than 4,000 layer calls are truncated, with a note.
        """
        return draw(self.network, self.headline)

    def save_picture(self, path: str | Path, *, force: bool = True) -> None:
        """Write the picture to an `.svg` file, which appears only once it is complete.

        Args:
            path: the file.
            force: whether to replace one.

        Raises:
            UnusableFileError: if `path` does not end in `.svg` or cannot be written.
        """
        with replacing(check_picture(path), force=force, label="picture") as temporary:
            temporary.write_text(self.picture(), encoding="utf-8")

    @property
    def headline(self) -> str:
        """A one-line summary: `3 of 4 BN layers folded`."""
        return f"{len(self.folded)} of {self.batch_norms} BN layers folded"

    @property
    def proven(self) -> str:
        """The proof in words: `verified: relative error 2.2e-15 in float64`."""
        error = self.proof.float64
        if error is None:
            return self.proof.verdict
        if not self.proof.equal:
            return f"{self.proof.verdict}: {self.proof.difference}"
        return f"{self.proof.verdict}: relative error {error:.1e} in float64"

    def _repr_html_(self) -> str:
        from kerasbn.folding.notebook import as_html

        return as_html(self)

    def __str__(self) -> str:
        lines = [self.headline]
        for bn, alike in abridged(self.kept):
            lines.append(f"  kept: {bn['layer']}: {bn['reason']}")
            if alike:
                lines.append(f"  kept: {alike} more for similar reasons (see .kept)")
        lines.append(f"  {self.proven}")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(map(visible, lines))

    __repr__ = __str__


def check_picture(path: str | Path, *models: Path) -> Path:
    """Check and return the path of a picture.

    Args:
        path: the picture.
        models: files that it must not replace.

    Raises:
        UnusableFileError: if it, or the target of the link that it is, does not end in
            `.svg`, or if it is one of the models.
    """
    path = Path(path)
    if path.suffix != ".svg" or path.resolve().suffix != ".svg":
        raise UnusableFileError(
            "The picture must end in .svg, the only supported format. Received: "
            f"{path}."
        )
    if any(is_same_file(path, model) for model in models):
        raise UnusableFileError(
            f"The picture would replace the model. Received: {path}. Choose another "
            "name for the picture."
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
