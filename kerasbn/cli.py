"""The `model-fold` command."""

from __future__ import annotations

import json
import sys
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

import kerasbn
from kerasbn.errors import UnusableFileError
from kerasbn.folding import FoldResult, NotEqualError, fold_file
from kerasbn.folding.handover import format_of
from kerasbn.folding.terminal import print_result, progress
from kerasbn.starting import import_modules, load_keras
from kerasbn.writing import (
    Interrupted,
    discard,
    interruptible,
    open_standard_streams,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


WRITTEN, NOT_EQUAL, UNUSABLE = 0, 1, 2


class _Command(click.Command):
    """A command that always exits with one of the statuses in its help."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        run = partial(super().main, args, prog_name, complete_var, False, **extra)
        if not standalone_mode:
            return run()
        open_standard_streams()
        try:
            with interruptible():
                sys.exit(run())
        except Interrupted as stop:
            say(f"Error: {stop}")
            sys.exit(stop.status)
        except click.ClickException as error:
            message = StringIO()
            error.show(message)
            say(message.getvalue().rstrip())
            sys.exit(UNUSABLE)
        except OSError as error:  # Printing the help or the version may fail, too.
            sys.exit(_unprinted(error, UNUSABLE))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        as_json = "--json" in args  # The parser takes the list apart.
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if as_json:
                _print_json(FoldResult(None, None, message=error.format_message()))
            raise


@click.command(
    cls=_Command,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 DST was written (also if there was nothing to fold); 1 the "
    "folded model is not equal to the original; 2 SRC, DST or the arguments are "
    "unusable; 130 interrupted. With 1, 2 and 130 nothing was written.",
)
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("destination", metavar="DST", type=click.Path())
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option(
    "--no-verify",
    is_flag=True,
    help="Skip the proof that the folded model is equal. No framework is then loaded, "
    "except to export, and an export is still run.",
)
@click.option(
    "--import",
    "modules",
    metavar="MODULE",
    multiple=True,
    help="Import this module first, because it defines classes of the model. "
    "Can be given more than once.",
)
@click.option(
    "--trust",
    is_flag=True,
    help="Allow code stored in SRC, such as that of a Lambda, to run for verification. "
    "Without --import and --trust only Keras' own code is run.",
)
@click.option(
    "--picture",
    metavar="FILE.svg",
    type=click.Path(path_type=Path),
    help="Draw the network, with each BN coloured by its outcome.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--force", is_flag=True, help="Replace DST and FILE.svg if they exist.")
@click.version_option(kerasbn.__version__, message="model-fold %(version)s")
def main(
    source: Path,
    destination: str,
    dry_run: bool,
    no_verify: bool,
    modules: Sequence[str],
    trust: bool,
    picture: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """Fold batch normalization into the linear layers around it, for inference.

    SRC is a .keras file or folder, or a whole-model .h5 file, of Keras 3 or, where all
    layers are known, of Keras 2 or tf_keras. The name of DST chooses the output format:
    .keras for a plain Keras model, which is proven equal in float64; .onnx, .tflite, or
    a folder for a SavedModel, which Keras exports from that model and which is then
    compared with the original. DST is created only if all of this succeeds.
    """
    place = Path(destination)
    try:
        with interruptible() as interruption, progress() as step:
            try:
                import_modules(modules)
                is_export = format_of(destination).is_export
                if not no_verify or (is_export and not dry_run):
                    step("Loading Keras")
                    load_keras(
                        "To verify or to export the folded model",
                        ", or use --no-verify",
                    )
                result = fold_file(
                    source,
                    destination,
                    not no_verify,
                    force=force,
                    dry_run=dry_run,
                    trust=trust,
                    picture=picture,
                    progress=step,
                )
            except Exception:
                interruption.check()  # A library may have raised this on the signal.
                raise
    except NotEqualError as error:
        _fail(NOT_EQUAL, error.result, as_json)
    except (UnusableFileError, ImportError) as error:
        _fail(UNUSABLE, FoldResult(source, place, message=str(error)), as_json)
    except Interrupted as stop:
        _fail(stop.status, FoldResult(source, place, message=str(stop)), as_json)
    except Exception as error:
        # A bug in kerasbn or in a library: still one message, and never the status 1.
        message = f"{type(error).__name__}: {error} Please report this with the model."
        _fail(UNUSABLE, FoldResult(source, place, message=message), as_json)
    try:
        if as_json:
            _print_json(result)
        else:
            print_result(result, dry_run=dry_run, verify=not no_verify, picture=picture)
        if sys.stdout is not None:
            sys.stdout.flush()  # Write errors show here, not while Python exits.
    except OSError as error:
        sys.exit(_unprinted(error, UNUSABLE if dry_run else WRITTEN))


def _fail(status: int, result: FoldResult, as_json: bool) -> NoReturn:
    say(f"Error: {result.message}")
    if as_json:
        try:
            _print_json(result)
        except OSError as error:
            _unprinted(error, status)
    sys.exit(status)


def _unprinted(error: OSError, status: int) -> int:
    """Report that the standard output cannot be written, unless its reader left.

    Returns:
        The exit status, which describes the model, not its report.
    """
    discard(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return status if status != UNUSABLE else WRITTEN
    say(f"Error: The result cannot be printed: {error.strerror or error}.")
    return status


def _print_json(result: FoldResult) -> None:
    click.echo(json.dumps(result.to_json(), indent=2))
    if sys.stdout is not None:
        sys.stdout.flush()


if __name__ == "__main__":
    main()
