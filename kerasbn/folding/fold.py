"""Folding from end to end: one path for files, and live models take it, too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbn.archive import open_archive, replacing, write_archive
from kerasbn.archive.upgrading import as_keras_format
from kerasbn.errors import UnsupportedFormatError, UnusableFileError
from kerasbn.folding import optimizer
from kerasbn.folding.apply import FoldedModel
from kerasbn.folding.outcome import NO_PROOF, Proof
from kerasbn.folding.plan import make_plan
from kerasbn.folding.report import FoldResult, NotEqualError
from kerasbn.folding.sizes import size_after
from kerasbn.graph import NotAGraphError, read_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kerasbn.archive import Archive
    from kerasbn.graph import Graph


def fold_batch_norm(model: Any, verify: bool = True) -> FoldResult:
    """Fold the BN of a live model into the linear layers around them.

    The model itself stays as it is. The folded one is a plain Keras model with the
    same inputs, output names and layer names, without optimizer state, that computes
    the same at inference. Do not train it: what BN does in training is gone.

    Args:
        model: a built `keras.Model`; models nested in it are folded as well. If its
            own code calls its layers, or those of blocks in it, that code is traced
            into a Functional model first.
        verify: whether to prove it equal in float64 before it is returned.

    Returns:
        A `FoldResult`, with the folded model in `model`.

    Raises:
        NotEqualError: if the folded model is not equal.
        TypeError: if it is no Keras model, or its code cannot be traced.
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
) -> FoldResult:
    """Fold the BN of a saved model into the linear layers around them.

    Without `verify`, no framework is loaded.

    Args:
        source: a `.keras` file, or a legacy whole-model `.h5` file of Keras 3.
        destination: the `.keras` file to write; it appears only once it is whole.
        verify: whether to prove the folded model equal in float64 before the file is
            put in place. Of a model whose classes are not imported, only the parts that
            change are verified; the result's notes say so.
        force: whether an existing `destination` is replaced.
        dry_run: whether only to plan; nothing is verified or written.

    Returns:
        A `FoldResult`.

    Raises:
        NotEqualError: if the folded model is not equal; nothing was written.
        UnusableFileError: if `source` cannot be read, or `destination` not written.
    """
    source, destination = Path(source), Path(destination)
    if destination.suffix != ".keras":
        raise UnusableFileError(
            "The destination must end in .keras, the one format that is written. "
            f"Received: {destination}."
        )
    if destination.exists() and not force and not dry_run:
        raise UnusableFileError(
            f"The destination exists. Received: {destination}. Choose another name, or "
            "allow it to be replaced with --force (force=True)."
        )
    return _fold(source, destination, verify, dry_run=dry_run)


def _fold(
    source: Path,
    destination: Path,
    verify: bool,
    *,
    dry_run: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> FoldResult:
    with open_archive(source) as archive:
        folded = _folded_model(archive)
        if dry_run:
            notes = regularizers(folded)
            after = size_after(folded, None)
            return FoldResult.of(folded, source, destination, after=after, notes=notes)
        with replacing(destination) as temporary:
            config = optimizer.compiled_without_state(folded.config)
            extra = optimizer.VARIABLES if config.get("compile_config") else {}
            write_archive(temporary, archive, config, folded.rounded, extra)
            proof = NO_PROOF
            if verify:
                proof = _proof(folded, temporary, custom_objects, safe_mode)
            message = None
            if proof.equal is False:
                message = (
                    "The folded model is not equal to the original: relative error "
                    f"{proof.float64:.1e} in float64. Nothing was written. Please "
                    "report this model."
                )
            result = FoldResult.of(
                folded,
                source,
                destination,
                after=size_after(folded, temporary),
                proof=proof,
                notes=[*regularizers(folded), *underflows(folded)],
                message=message,
            )
            if message is not None:
                raise NotEqualError(message, result)
    return result


def _proof(
    folded: FoldedModel,
    written: Path,
    custom_objects: Mapping[str, Any] | None,
    safe_mode: bool,
) -> Proof:
    from kerasbn.folding.proof.verify import verify  # It imports Keras.

    return verify(folded, written, custom_objects, safe_mode)


def regularizers(folded: FoldedModel) -> list[str]:
    """A note of the regularizers that are left behind."""
    dropped = folded.dropped_penalties
    return [f"regularizers left behind: {', '.join(dropped)}"] if dropped else []


def underflows(folded: FoldedModel) -> list[str]:
    """A note for each layer whose weights are too small for their dtype."""
    return [
        f"weights of {path} are too small for its dtype and were rounded to "
        "zero or nearly so; a wider dtype keeps them"
        for path in folded.lost()
    ]


def _folded_model(archive: Archive) -> FoldedModel:
    version = archive.keras_version or "1"
    if version.split(".")[0] in ("1", "2"):
        raise UnsupportedFormatError(
            "The file was written by Keras 2 or tf_keras, whose models Keras 3 does "
            f"not load as they are. Received: {archive.path}, keras_version "
            f"{archive.keras_version}. Rebuild the model in Keras 3, load the weights "
            "into it, save it with model.save('model.keras') and fold that."
        )
    config = archive.config
    if archive.format == "h5":
        config = as_keras_format(config)
    try:
        graph = read_graph(config)
    except NotAGraphError as error:
        raise UnusableFileError(
            f"{error} Fold the Functional or Sequential models inside it, or rebuild "
            "it with keras.Model(inputs, outputs)."
        ) from error
    return without_what_overflows(graph, archive)


def without_what_overflows(graph: Graph, archive: Archive) -> FoldedModel:
    """The folded model; BN that no longer fit into half precision stay."""
    staying: dict[str, str] = {}
    while True:
        folded = FoldedModel(graph, archive, make_plan(graph, archive, staying))
        too_large = folded.too_large()
        if not too_large:
            return folded
        staying |= too_large
