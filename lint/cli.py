"""The command `model-lint`."""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .completion import rules_by_comma, targets_or_commands
from .config import FAIL_ON, config_for
from .errors import UsageError
from .progress import progress
from .reporters import DEFAULT, output_formats, write
from .rules import all_rules, rule_by_code
from .run import run
from .writing import report_file, unwritten

if TYPE_CHECKING:
    from .config import Config
    from .run import Report

FOUND, UNUSABLE, INTERRUPTED = 1, 2, 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 clean, 1 something found, 2 unusable."""
    arguments = sys.argv[1:] if arguments is None else arguments
    gc.set_threshold(100_000, 20, 20)  # A run makes much, and soon drops it all.
    # NumPy would start threads for matrices, of which there are none.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Rather a `?` than a traceback.
    command = _command(arguments[0] if arguments else "")
    if command is not lint:
        arguments = arguments[1:]
    status = _status(command, arguments)
    gc.freeze()  # What the process takes with it needs no last collection.
    sys.exit(status)


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
        problem = unwritten("report", error, "the standard output")
        click.echo(f"Error: {problem}", err=True)
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
    "explains one, `model-lint diagnose MODEL --data FILE.npz` finds out what is wrong "
    "with a trained model. Exit status: 0 nothing found, 1 something found, 2 unusable "
    "arguments or no target that can be read; with --fix, what counts is what is left, "
    "with --diff, whether there is anything to change.",
)
@click.argument(
    "targets", nargs=-1, metavar="TARGET...", shell_complete=targets_or_commands
)
@click.option(
    "--select",
    multiple=True,
    metavar="RULES",
    callback=_words,
    shell_complete=rules_by_comma,
    help="Apply these rules only: codes, names or starts of codes, by comma; ALL.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="RULES",
    callback=_words,
    shell_complete=rules_by_comma,
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
@click.option("--fix", is_flag=True, help="Apply safe fixes, and report what is left.")
@click.option(
    "--diff", is_flag=True, help="Show what --fix would change, and change nothing."
)
@click.option(
    "--unsafe-fixes",
    is_flag=True,
    help="Let --fix and --diff apply the other fixes, too; look at what they did.",
)
@click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Report only what is not in this file.",
)
@click.option(
    "--write-baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all that is found to this file, as known from now on.",
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
    fix: bool,
    diff: bool,
    unsafe_fixes: bool,
    baseline: Path | None,
    write_baseline: Path | None,
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
    if diff and (statistics or output_format != DEFAULT):
        raise UsageError(
            "--diff prints a diff and no report. Received: it, and --statistics or "
            "--output-format. Leave one of them out."
        )
    if write_baseline and (fix or diff):
        raise UsageError(
            "--write-baseline keeps what is found as it is. Received: it, and --fix or "
            "--diff. Fix first, then write the baseline."
        )
    config = config_for(targets)
    config = config.override(select, ignore, keras_version, fail_on, baseline)
    if write_baseline:
        config = replace(config, baseline=None)
    report = _run(targets, config)
    if (write_baseline or diff) and not report.checked:
        raise UsageError(_nothing_read(report, targets))
    if write_baseline:
        from .actions import keep_as_known

        keep_as_known(report, write_baseline)
        return 0
    if diff:
        from .actions import print_diff

        with report_file(output_file) as file:
            changes = print_diff(report, config, file, unsafe=unsafe_fixes)
        return FOUND if changes and not exit_zero else 0
    if fix:
        from .actions import apply_fixes

        if apply_fixes(report, config, unsafe=unsafe_fixes):
            report = _run(targets, config)
    if report.checked or output_format != DEFAULT:
        with report_file(output_file) as file:
            write(report, output_format, file, statistics=statistics)
    if not report.checked:
        raise UsageError(_nothing_read(report, targets))
    if report.stale:
        click.echo(_stale(report, config), err=True)
    return FOUND if report.fails(config.fail_on) and not exit_zero else 0


def _run(targets: tuple[str, ...], config: Config) -> Report:
    return run(targets, config, jobs=os.cpu_count() or 1, progress=progress)


def _stale(report: Report, config: Config) -> str:
    are = "finding is" if report.stale == 1 else "findings are"
    return (
        f"{report.stale} known {are} there no longer. Write the baseline again with "
        f"--write-baseline {config.baseline}."
    )


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


@click.command()
@click.argument("code")
def rule(code: str) -> None:
    """Explain the rule of this CODE or name, with examples."""
    from .reference import print_rule

    print_rule(rule_by_code(code))


@click.command()
@click.option("--markdown", is_flag=True, help="Write a table, as the README has it.")
def rules(markdown: bool) -> None:
    """List all rules."""
    from .reference import print_index, print_table

    (print_table if markdown else print_index)(all_rules())


def _command(name: str) -> click.Command:
    if name == "diagnose":
        from .diagnosis.command import diagnose

        return diagnose
    return {"rule": rule, "rules": rules}.get(name, lint)
