"""The `model-fold` command."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import kerasbn
from kerasbn.errors import UnusableFileError
from kerasbn.folding import FoldResult, NotEqualError, fold_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BACKENDS = ("tensorflow", "jax", "torch")

WRITTEN, NOT_EQUAL, UNUSABLE = 0, 1, 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("destination", metavar="DST", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option(
    "--no-verify",
    is_flag=True,
    help="Do not prove the folded model equal. No framework is loaded then.",
)
@click.option(
    "--import",
    "modules",
    metavar="MODULE",
    multiple=True,
    help="Import this module first, because it defines classes of the model. "
    "May be given more than once. Code is run from nowhere else.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--force", is_flag=True, help="Replace DST if it exists.")
@click.version_option(kerasbn.__version__, prog_name="model-fold")
def main(
    source: Path,
    destination: Path,
    dry_run: bool,
    no_verify: bool,
    modules: Sequence[str],
    as_json: bool,
    force: bool,
) -> None:
    r"""Fold batch normalization into the linear layers before it, for inference.

    SRC is a .keras file, or a legacy whole-model .h5 file of Keras 3. DST is the
    .keras file to write: a plain Keras model that computes the same, which is proven
    in float64 before the file appears.

    \b
    Exit status:
      0  DST was written, also if there was nothing to fold
      1  the folded model is not equal; nothing was written
      2  SRC, DST or the arguments are unusable; nothing was written
    """
    try:
        _import_all(modules)
        if not no_verify:
            _load_keras()
        result = fold_file(
            source, destination, not no_verify, force=force, dry_run=dry_run
        )
    except NotEqualError as error:
        _fail(NOT_EQUAL, str(error), error.result, as_json)
    except (UnusableFileError, ImportError) as error:
        _fail(UNUSABLE, str(error), FoldResult(source, destination, [], []), as_json)
    except Exception as error:
        # A fault of ours, or of a library: still one message, and not the status 1.
        message = f"{type(error).__name__}: {error} Please report this with the model."
        _fail(UNUSABLE, message, FoldResult(source, destination, [], []), as_json)
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
    else:
        _print(result, dry_run)


def _import_all(modules: Sequence[str]) -> None:
    if modules:
        sys.path.insert(0, str(Path.cwd()))  # Where `python -m` would look first, too.
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            # The module is the user's own, and may raise anything.
            raise ImportError(
                f"The module given to --import cannot be imported: "
                f"{type(error).__name__}: {error}. Received: {module}."
            ) from error


def _load_keras() -> None:
    """Import Keras with a backend that is installed; the user's own choice prevails."""
    installed = [name for name in _BACKENDS if importlib.util.find_spec(name)]
    if not installed:
        raise ImportError(
            "To verify the folded model, Keras needs a backend, and none is installed. "
            "Install one (pip install 'kerasbn[tensorflow]'), or use --no-verify."
        )
    settings = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    if not settings.exists():
        os.environ.setdefault("KERAS_BACKEND", installed[0])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_stderr():
        importlib.import_module("keras")


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what C++ libraries write while they load; errors are raised, not written."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _fail(status: int, message: str, result: FoldResult, as_json: bool) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
    sys.exit(status)


def _print(result: FoldResult, dry_run: bool) -> None:
    console = Console(highlight=False)
    if result.batch_norms:
        console.print(_table(result))
    done = "would be folded" if dry_run else "folded"
    console.print(f"{len(result.folded)} of {result.batch_norms} BN layers {done}.")
    for note in result.notes:
        console.print(f"Note: {escape(note)}")
    if result.verified:
        console.print(_proof(result))
    elif not dry_run:
        console.print("Not verified, as asked with --no-verify.")
    if not dry_run:
        console.print(f"Written: {escape(str(result.destination))}", soft_wrap=True)


def _table(result: FoldResult) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("BN layer", overflow="fold")
    table.add_column("became of it", overflow="fold")
    for folded in result.folded:
        into = ", ".join(folded["into"])
        table.add_row(escape(folded["layer"]), f"[green]folded[/] into {escape(into)}")
    for kept in result.kept:
        reason = escape(kept["reason"])
        table.add_row(escape(kept["layer"]), f"[yellow]kept[/]: {reason}")
    return table


def _proof(result: FoldResult) -> str:
    exact, usual = result.error["float64"], result.error["float32"]
    text = f"Verified: relative error {exact:.1e} in float64"
    if usual is None:
        return f"{text}."
    return (
        f"{text}; {usual:.1e} in the model's own precision, where the original itself "
        f"has a noise of {result.noise:.1e}."
    )


if __name__ == "__main__":
    main()
