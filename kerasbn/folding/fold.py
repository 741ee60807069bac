"""Folding from end to end, for files and, in part, for live models."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbn.archive import open_archive, write_archive
from kerasbn.errors import UnusableFileError
from kerasbn.folding import notes, optimizer
from kerasbn.folding.apply import plan_and_apply
from kerasbn.folding.handover import KERAS, Exported, Format, exported, format_of
from kerasbn.folding.outcome import NO_PROOF, Proof
from kerasbn.folding.report import FoldResult, NotEqualError, check_picture
from kerasbn.folding.sizes import size_after
from kerasbn.graph import NO_TRUST, NotAGraphError, Trust, read_graph
from kerasbn.writing import check_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kerasbn.archive import Archive
    from kerasbn.folding.apply import FoldedModel


def _silent(_: str) -> None:
    """Ignore a progress message."""


def fold_batch_norm(model: Any, verify: bool = True) -> FoldResult:
    """Fold the BN layers of a live model into the linear layers around them.

    The model itself is not changed. The folded one is a plain Keras model with the same
    inputs, output names and layer names, without optimizer state, that computes the
    same at inference. Do not train it: the training behaviour of BN is gone.

    Args:
        model: a built `keras.Model`; models nested in it are folded as well. If its
            own code calls its layers, or those of blocks in it, that code is first
            traced into a Functional model.
        verify: whether to prove the folded model equal in float64 before returning it.

    Returns:
        A `FoldResult`, with the folded model in `model`.

    Raises:
        NotEqualError: if the folded model is not equal.
        TypeError: if it is not a Keras model, or its code cannot be traced.
        ValueError: if it is not built, or shares a layer between nested models.

    Example:
    >>> result = kerasbn.fold_batch_norm(model)
    >>> result.model.save("folded.keras")
    """
    from kerasbn.folding.live_models import fold_live_model  # It imports Keras.

    return fold_live_model(model, verify)


def fold_file(
    source: str | Path,
    destination: str | Path,
    verify: bool = True,
    *,
    force: bool = False,
    dry_run: bool = False,
    trust: bool = False,
    picture: str | Path | None = None,
    progress: Callable[[str], object] = _silent,
) -> FoldResult:
    """Fold the BN layers of a saved model into the linear layers around them.

    Without `verify`, no framework is loaded.

    Args:
        source: a `.keras` file or folder (`model.save(folder, zipped=False)`) or a
            legacy whole-model `.h5` file, of Keras 3 or, where all layers are known,
            of Keras 2 or tf_keras.
        destination: the file or folder to write; it appears only once it is complete.
            Its name chooses the format: a `.keras`, `.onnx` or `.tflite` file, or else
            a folder for a SavedModel. All but `.keras` are exported by Keras, which
            needs a framework, and each export is compared with the original.
        verify: whether to prove the folded model equal in float64 before the file is
            put in place. If the model has classes that are not registered, only the
            parts that change are verified; the result's notes say so.
        force: whether to replace an existing `destination`.
        dry_run: whether only to plan; nothing is verified or written.
        trust: whether code that the file holds or names, such as that of a `Lambda`,
            may be run to verify or export it. Without it only Keras' own layers and
            classes that are registered with Keras are run. Do not trust files from
            strangers.
        picture: an `.svg` file to write as well, also with `dry_run`; see
            `FoldResult.picture`. `force` is for it, too.
        progress: called with the name of each step, such as "Writing".

    Returns:
        A `FoldResult`.

    Raises:
        NotEqualError: if the folded model, or its export, is not equal; nothing was
            written.
        UnusableFileError: if `source` cannot be read, or `destination` or `picture` not
            written.
    """
    format_ = format_of(destination)
    source, destination = Path(source), Path(destination)
    format_.check_installed()
    if not dry_run:
        format_.check(destination, force=force)
    if picture is not None:
        picture = check_picture(picture, source, destination)
        check_writable(picture, force=force, label="picture")
    return _fold(
        source,
        destination,
        verify,
        format_=format_,
        force=force,
        dry_run=dry_run,
        trust=Trust(everything=trust),
        picture=picture,
        progress=progress,
    )


def _fold(
    source: Path,
    destination: Path,
    verify: bool,
    *,
    format_: Format = KERAS,
    force: bool = False,
    dry_run: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
    trust: Trust = NO_TRUST,
    picture: Path | None = None,
    progress: Callable[[str], object] = _silent,
) -> FoldResult:
    progress("Reading and planning")
    with open_archive(source) as archive:
        folded = _folded_model(archive)
        if dry_run:
            after = size_after(folded, None)
            planned = [*notes.of_file(folded, archive), *notes.of_penalties(folded)]
            result = FoldResult.of(
                folded, source, destination, after=after, notes=planned
            )
            _keep_picture(result, picture, force)
            return result
        with (
            format_.replacing(destination, force=force, source=source) as temporary,
            _keras_file(temporary, format_) as written,
        ):
            progress("Writing")
            config = optimizer.compiled_without_state(folded.config)
            extra = optimizer.VARIABLES if config.get("compile_config") else {}
            write_archive(written, folded.archive, config, folded.rounded, extra)
            proof, export = NO_PROOF, None
            if verify:
                proof = _proof(folded, written, trust, custom_objects, progress)
            if format_.is_export and proof.equal is not False:
                progress(f"Exporting to {format_.name} and running it")
                export = exported(
                    folded,
                    written,
                    temporary,
                    format_,
                    proof.noise,
                    trust,
                    custom_objects,
                )
            message = _what_differs(proof, export)
            result = FoldResult.of(
                folded,
                source,
                destination,
                after=size_after(folded, temporary),
                proof=proof,
                notes=[
                    *notes.of_file(folded, archive),
                    *notes.of_penalties(folded),
                    *notes.of_lost_weights(folded),
                ],
                message=message,
                export=export,
            )
            if message is not None:
                raise NotEqualError(message, result)
            # The model comes last: if this fails, nothing was written.
            _keep_picture(result, picture, force)
    return result


def _keep_picture(result: FoldResult, picture: Path | None, force: bool) -> None:
    if picture is not None:
        result.save_picture(picture, force=force)


@contextmanager
def _keras_file(place: Path, format_: Format) -> Iterator[Path]:
    """Yield the path of the folded `.keras` file: its own, or a temporary one."""
    if not format_.is_export:
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="kerasbn-") as folder:
        yield Path(folder) / "folded.keras"


def _what_differs(proof: Proof, export: Exported | None) -> str | None:
    if proof.equal is False:
        return (
            f"The folded model is not equal to the original: {proof.difference}. "
            "Nothing was written. Please report this model."
        )
    if export is not None and not export.equal:
        return export.message
    return None


def _proof(
    folded: FoldedModel,
    written: Path,
    trust: Trust,
    custom_objects: Mapping[str, Any] | None,
    progress: Callable[[str], object],
) -> Proof:
    from kerasbn.folding.proof.verify import verify  # It imports Keras.

    return verify(folded, written, trust, custom_objects, progress)


def _folded_model(archive: Archive) -> FoldedModel:
    try:
        if archive.is_keras_2:
            from kerasbn.archive.translated import in_keras_3  # Its tables take time.

            archive = in_keras_3(archive)
        graph = read_graph(archive.config)
    except NotAGraphError as error:
        raise UnusableFileError(
            f"{error} Fold the Functional or Sequential models inside it, or rebuild "
            "it with keras.Model(inputs, outputs)."
        ) from error
    return plan_and_apply(graph, archive)
