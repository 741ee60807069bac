"""Keras' own export of a folded model, and what the export computes.

The export runs in the model's own precision, so it is judged by that: it may differ
from the original by a few times what rounding makes of it anyway.
"""

from __future__ import annotations

from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple
from warnings import catch_warnings, simplefilter

from kerasbn.archive import write_archive
from kerasbn.errors import UnusableFileError
from kerasbn.graph import unknown_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kerasbn.folding.apply import FoldedModel
    from kerasbn.folding.handover.formats import Format
    from kerasbn.graph import Trust

_SEED = 0
# How far an export may differ: by the noise of float32 alone, or by some of the
# model's own noise, which other kernels add up in another order.
_LEAST, _TIMES_NOISE = 1e-5, 10


class Exported(NamedTuple):
    """An export that was run.

    Attributes:
        format: its format, such as "ONNX".
        error: the largest relative difference of its outputs from the original's.
        limit: what the difference may be.
    """

    format: str
    error: float
    limit: float

    @property
    def equal(self) -> bool:
        """Whether it computes what the original does."""
        return self.error <= self.limit

    @property
    def message(self) -> str:
        """What is wrong where it does not."""
        return (
            f"The {self.format} export is not equal to the original: relative error "
            f"{self.error:.1e}, where rounding explains {self.limit:.1e}. Nothing was "
            "written; write a .keras file instead, and report this to Keras."
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
    """Export the folded model, and run the export beside the original.

    Args:
        folded: the original and what folding made of it.
        written: the folded model's `.keras` file.
        place: where the export goes; it is there already, empty.
        format_: its format.
        noise: that of the original in its own precision; None if it is not known, and
            a single rounding must do.
        trust: what may be run beside Keras' own.
        custom_objects: classes of the user's own.

    Raises:
        UnusableFileError: if Keras cannot load, run or export the model, or the export
            cannot be run.
    """
    from kerasbn.folding.proof import loaded

    if unknown := unknown_parts(folded.graph.model, trust):
        raise UnusableFileError(
            f"To export a model it must be run, and {unknown[0]}, which is not run "
            f"unless asked for. Received: {folded.archive.path}. Use --import for "
            "classes of your own, --trust for code in the file, or write a .keras "
            "file instead."
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
    """Export a live model, and run the export beside it; see `exported`.

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
        simplefilter("ignore")  # Those of converters are about their own code.
        loaded.model.export(place, format=format_.keras, verbose=False)
        return format_.run(place, loaded.named_inputs, loaded.inputs)


@contextmanager
def _explained(format_: Format) -> Iterator[None]:
    try:
        yield
    except (UnusableFileError, OSError):
        raise
    except Exception as error:
        # Keras, the converters and the runtimes raise whatever a model leads to.
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[0].strip() if lines else type(error).__name__
        raise UnusableFileError(
            f"The folded model cannot be written as {format_.name} and run: {reason} "
            "Nothing was written; write a .keras file instead."
        ) from error
