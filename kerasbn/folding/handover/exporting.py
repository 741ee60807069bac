"""Keras' export of a folded model, and a test run of the export.

The export runs in the model's own precision and is judged by it: it may differ from the
original by a few times the rounding noise that is there anyway.
"""

from __future__ import annotations

from contextlib import contextmanager, redirect_stdout
from io import StringIO
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple
from warnings import catch_warnings, simplefilter

from kerasbn.archive import write_archive
from kerasbn.errors import UnusableFileError
from kerasbn.folding.outcome import UNLIKE
from kerasbn.graph import unknown_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kerasbn.folding.apply import FoldedModel
    from kerasbn.folding.handover.formats import Format
    from kerasbn.graph import Trust

_SEED = 0
# How far an export may differ: by the noise of float32 alone, or by a few times the
# model's own noise, since other kernels add up in another order.
_LEAST, _TIMES_NOISE = 1e-5, 10


class Exported(NamedTuple):
    """An export that was run.

    Attributes:
        format: its format, such as "ONNX".
        error: the largest relative difference of its outputs from the original's.
        limit: the largest difference that is accepted.
    """

    format: str
    error: float
    limit: float

    @property
    def equal(self) -> bool:
        """Whether the export computes the same as the original."""
        return self.error <= self.limit

    @property
    def message(self) -> str:
        """The error message for an export that differs."""
        how = UNLIKE
        if isfinite(self.error):
            how = (
                f"relative error {self.error:.1e}, where rounding explains "
                f"{self.limit:.1e}"
            )
        return (
            f"The {self.format} export is not equal to the original: {how}. Nothing "
            "was written; write a .keras file instead, and report this to Keras."
        )


def exported(
    folded: FoldedModel,
    written: Path,
    place: Path,
    format_: Format,
    noise: float | None,
    trust: Trust,
    custom_objects: Mapping[str, Any] | None,
) -> Exported:
    """Export the folded model, and compare the export with the original.

    Args:
        folded: the original and the result of folding it.
        written: the folded model's `.keras` file.
        place: the path for the export; it already exists, empty.
        format_: its format.
        noise: that of the original in its own precision; None if it is not known, in
            which case a single rounding is assumed.
        trust: code that may be run besides Keras' own.
        custom_objects: the user's own classes.

    Raises:
        UnusableFileError: if Keras cannot load, run or export the model, or the export
            cannot be run.
    """
    from kerasbn.folding.proof import loaded

    if unknown := unknown_parts(folded.graph.model, trust):
        raise UnusableFileError(
            f"Exporting a model requires running it, and {unknown[0]}, which is not "
            f"run unless asked for. Received: {folded.archive.path}. Use --import for "
            "classes of your own, --trust for code in the file, or write a .keras file "
            "instead."
        )
    safe_mode = not trust.everything
    with TemporaryDirectory(prefix="kerasbn-") as folder, _explained(format_):
        original = Path(folder) / "original.keras"
        write_archive(original, folded.archive, folded.graph.model)
        expected = loaded.Loaded(original, custom_objects, safe_mode, _SEED)
        model = loaded.Loaded(written, custom_objects, safe_mode, _SEED)
        received = _export_and_run(model, place, format_)
        error = loaded.difference(expected.outputs, received)
        limit = _limit(model.precision if noise is None else noise)
    return Exported(format_.name, error, limit)


def exported_model(
    model: Any, place: Path, format_: Format, noise: float | None
) -> Exported:
    """Export a live model, and compare the export with it; see `exported`.

    Raises:
        UnusableFileError: if Keras cannot export it, or the export cannot be run.
    """
    from kerasbn.folding.proof import loaded

    with _explained(format_):
        run = loaded.Loaded.of(model, _SEED)
        received = _export_and_run(run, place, format_)
        error = loaded.difference(run.outputs, received)
        limit = _limit(run.precision if noise is None else noise)
    return Exported(format_.name, error, limit)


def _limit(noise: float) -> float:
    return max(_LEAST, _TIMES_NOISE * noise)


def _export_and_run(loaded: Any, place: Path, format_: Format) -> list[Any]:
    with catch_warnings(), redirect_stdout(StringIO()):
        simplefilter("ignore")  # Converters warn about their own code.
        loaded.model.export(place, format=format_.keras, verbose=False)
        return format_.run(place, loaded.named_inputs, loaded.inputs)


@contextmanager
def _explained(format_: Format) -> Iterator[None]:
    try:
        yield
    except (UnusableFileError, OSError):
        raise
    except Exception as error:
        # Keras, the converters and the runtimes raise errors of any kind.
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[0].strip() if lines else type(error).__name__
        raise UnusableFileError(
            f"The folded model cannot be exported to {format_.name} and run: {reason} "
            "Nothing was written; write a .keras file instead."
        ) from error
