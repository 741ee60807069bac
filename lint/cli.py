"""The command `model-lint`."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from .config import FAIL_ON, config_for
from .errors import UsageError
from .reporters import DEFAULT, output_formats, write
from .rules import all_rules, rule_by_code
from .run import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .run import Report

FOUND, UNUSABLE, INTERRUPTED = 1, 2, 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 clean, 1 something found, 2 unusable."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Rather a `?` than a traceback.
    command = _COMMANDS.get(arguments[0] if arguments else "", lint)
    if command is not lint:
        arguments = arguments[1:]
    sys.exit(_status(command, arguments))


def _status(command: click.Command, arguments: list[str]) -> int:
    name = "model-lint" if command is lint else f"model-lint {command.name}"
    try:
        status = command.main(arguments, name, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # What fails shows here, not while Python shuts down.
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except UsageError as error:
        click.echo(f"Error: {error}", err=True)
        return UNUSABLE
    except BrokenPipeError:  # Nobody reads on.
        _discard_output()
        return FOUND
    except OSError as error:
        if error.filename is not None:
            raise  # No failure to write to a stream, which has no file name here.
        _discard_output()
        click.echo(f"Error: {_unwritten(error, 'the standard output')}", err=True)
        return UNUSABLE
    return status or 0


def _discard_output() -> None:
    """Keeps Python from complaining again when it closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _words(
    _: click.Context, option: click.Parameter, value: tuple[str, ...]
) -> list[str] | None:
    """Split what is separated by commas; None if the option was not given."""
    words = [word.strip() for each in value for word in each.split(",")]
    words = [word for word in words if word]
    if value and not words:
        raise UsageError(
            f"--{option.name} needs a code, a name or the start of codes. "
            f"Received: {value[0]!r}."
        )
    return words or None


@click.command(
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Other commands: `model-lint rules` lists all rules, `model-lint rule CODE` "
    "explains one. Exit status: 0 nothing found, 1 something found, 2 unusable "
    "arguments or no target that can be read.",
)
@click.argument("targets", nargs=-1, metavar="TARGET...")
@click.option(
    "--select",
    multiple=True,
    metavar="RULES",
    callback=_words,
    help="Apply these rules only: codes, names or starts of codes, by comma; ALL.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="RULES",
    callback=_words,
    help="Leave these rules out.",
)
@click.option(
    "--output-format",
    type=click.Choice(output_formats()),
    default=DEFAULT,
    show_default=True,
    help="How the findings are written.",
)
@click.option(
    "--output-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of the standard output.",
)
@click.option(
    "--statistics", is_flag=True, help="Show only how often each rule was found."
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever was found.")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    help="The least severity that makes the exit status 1.  [default: warning]",
)
@click.option(
    "--keras-version",
    metavar="VERSION",
    help="The Keras that the source is written for, such as 3.15, or 2 for tf_keras.",
)
@click.version_option(package_name="kerasbn", message="model-lint %(version)s")
@click.pass_context
def lint(
    context: click.Context,
    targets: tuple[str, ...],
    select: list[str] | None,
    ignore: list[str] | None,
    output_format: str,
    output_file: Path | None,
    statistics: bool,
    exit_zero: bool,
    fail_on: str | None,
    keras_version: str | None,
) -> int:
    """Find batch normalization pitfalls in Keras models and their source.

    TARGET is a .py, .ipynb, .keras or .h5 file, a folder of them, or
    package.module:name, a model or a function that returns one. Files are only read;
    package.module:name imports the module and so runs its code.

    Settings are read from [tool.model-lint] in the targets' pyproject.toml.
    """
    if not targets:
        click.echo(context.get_help(), err=True)
        return UNUSABLE
    if statistics and output_format != DEFAULT:
        raise UsageError(
            "--statistics is written as text. "
            f"Received: --output-format {output_format}. Leave one of them out."
        )
    config = config_for(targets).override(select, ignore, keras_version, fail_on)
    report = run(targets, config)
    if report.checked or output_format != DEFAULT:
        with _opened(output_file) as file:
            _write(report, output_format, statistics, file)
    if not report.checked:
        raise UsageError(_nothing_read(report, targets))
    return FOUND if report.fails(config.fail_on) and not exit_zero else 0


def _write(report: Report, output_format: str, statistics: bool, file: TextIO) -> None:
    if statistics:
        from .reporters.text import write_statistics

        write_statistics(report, file)
    else:
        write(report, output_format, file)


def _nothing_read(report: Report, targets: tuple[str, ...]) -> str:
    if not report.unread:
        return (
            "There is nothing to check: no .py, .ipynb, .keras or .h5 file in the "
            f"folder. Received: {', '.join(targets)}."
        )
    from .reporters.text import place  # Loads Rich.

    problems = [
        f"\n  {place(each.location)}: {each.code} {each.reason}"
        for each in report.unread
    ]
    return f"No target could be read.{''.join(problems)}"


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    """The standard output, or the file with this path."""
    if path is None:
        if sys.stdout is None:
            raise UsageError(
                "The report cannot be written: the standard output is closed. "
                "Write it to a file with --output-file."
            )
        yield sys.stdout
        return
    try:
        with _in_place(path) if _is_special(path) else _replacing(path) as file:
            yield file
    except OSError as error:
        raise UsageError(_unwritten(error, path)) from error


def _is_special(path: Path) -> bool:
    """Whether it is a device, a pipe or a link to nothing, which must stay one."""
    return os.path.lexists(path) and not path.is_file()


def _in_place(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", errors="replace")


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file that appears only once it is complete; a link to it stays a link."""
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    file = unfinished.open("x", encoding="utf-8", errors="replace")
    try:
        with file:
            yield file
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink()
        raise


def _unwritten(error: OSError, where: Path | str) -> str:
    reason = error.strerror or error
    return f"The report cannot be written: {reason}. Received: {where}."


@click.command()
@click.argument("code")
def rule(code: str) -> None:
    """Explain the rule of this CODE or name, with examples."""
    from .reference import print_rule

    print_rule(rule_by_code(code))


@click.command()
def rules() -> None:
    """List all rules."""
    from .reference import print_index

    print_index(all_rules())


_COMMANDS = {"rule": rule, "rules": rules}
