"""The default command of `model-lint`, which checks targets."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from kerasbn.writing import say, visible

from ..errors import UsageError
from ..reporters import DEFAULT, write
from ..writing import report_file
from . import options
from .request import STDIN, Request
from .status import FOUND, UNUSABLE

if TYPE_CHECKING:
    from ..config import Config
    from ..run import Report

_MOST_SHOWN = 10
_SETTINGS = (
    *("select", "extend_select", "ignore", "extend_ignore"),
    *("exclude", "extend_exclude", "force_exclude", "respect_gitignore"),
    *("keras_version", "fail_on", "baseline"),
)


class _Context(click.Context):
    @property
    def command_path(self) -> str:
        """The name of the whole command, without `check`."""
        return self.parent.command_path if self.parent else "model-lint"


class _Check(click.Command):
    context_class = _Context

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the other commands, then the exit statuses."""
        commands: Any = ctx.find_root().command
        if isinstance(commands, click.Group):
            with formatter.section("Commands"):
                formatter.write_dl(list(commands.about().items()))  # type: ignore[attr-defined]
        super().format_epilog(ctx, formatter)


@click.command(
    cls=_Check,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 nothing found, 1 something found, 2 unusable arguments or "
    "no readable target. With --fix, only what is left counts; with --diff, whether "
    "there is anything to change. See `model-lint COMMAND --help` for each command; "
    "write ./NAME for a target that is named like a command.",
)
@options.targets
@options.choosing_rules
@options.choosing_files
@options.reporting
@options.changing
@options.exit_status
@options.keras_version
@click.version_option(package_name="kerasbn", message="model-lint %(version)s")
@click.pass_context
def check(context: click.Context, /, targets: tuple[str, ...], **given: Any) -> int:
    """Find batch normalization pitfalls in Keras models and their source.

    TARGET is a .py, .ipynb, .keras or .h5 file, a folder of them, - for source on the
    standard input, or package.module:name for a model or a function that returns one.
    Files are only read; package.module:name imports the module and so runs its code.

    Settings are read from [tool.model-lint] in the targets' pyproject.toml.
    """
    if not targets:
        say(context.get_help())
        return UNUSABLE
    settings = {key: given.pop(key) for key in _SETTINGS}
    request = Request(targets, **given)
    request.check()
    from ..config import config_for  # Not needed by --help and --version.

    folder = [request.path_of_text.parent] if request.is_text else request.targets
    config = config_for(folder).override(**settings)
    if request.show_settings or request.show_files:
        return _show(request, config)
    if request.write_baseline or request.add_noqa:
        return _keep(request, config)
    if request.diff:
        return _diff(request, config)
    return _report(request, config)


def _show(request: Request, config: Config) -> int:
    """Show the settings, the files, or both."""
    from ..run import files_to_check

    with report_file(request.output_file) as file:
        if request.show_settings:
            file.write(config.to_toml())
        if request.show_files:
            targets = [target for target in request.targets if target != STDIN]
            paths = files_to_check(targets, config)
            file.writelines(f"{visible(str(path))}\n" for path in paths)
    return 0


def _keep(request: Request, config: Config) -> int:
    """Accept the current findings, by a baseline or by comments."""
    from ..actions import add_comments, keep_as_known

    if request.write_baseline is not None:
        config = replace(config, baseline=None)
    report = _run(request, config, None)
    if not report.checked:
        return _nothing_checked(request, config, report)
    if request.write_baseline is not None:
        keep_as_known(report, request.write_baseline)
    else:
        add_comments(report, config)
    return 0


def _diff(request: Request, config: Config) -> int:
    """Print what fixes would change."""
    from ..actions import print_diff

    text = request.text()
    report = _run(request, config, text)
    if not report.checked:
        return _nothing_checked(request, config, report)
    unsafe = request.unsafe_fixes
    with report_file(request.output_file) as file:
        changes = print_diff(report, config, file, unsafe=unsafe, text=text)
    return FOUND if changes and not request.exit_zero else 0


def _report(request: Request, config: Config) -> int:
    """Report the findings; with `--fix`, those that are left."""
    text = request.text()
    report = _run(request, config, text)
    is_fixed = False
    if request.fix:
        fixed = _fix(request, config, report, text)
        is_fixed = fixed is not False
        if is_fixed:
            text = fixed if isinstance(fixed, bytes) else None
            report = _run(request, config, text)
    if report.checked or request.output_format != DEFAULT:
        _write(request, report)
    if not report.checked:
        return _nothing_checked(request, config, report)
    if report.stale:
        say(_stale(report, config))
    fails = report.fails(config.fail_on)
    if request.exit_non_zero_on_fix:
        fails = fails or is_fixed
    return FOUND if fails and not request.exit_zero else 0


def _fix(
    request: Request, config: Config, report: Report, text: bytes | None
) -> bytes | bool:
    """Apply fixes: return the new text of the standard input, or whether files changed.

    The new text is printed even if unchanged, since text may be piped through.
    """
    from ..actions import apply_fixes, fixed_text

    unsafe = request.unsafe_fixes
    if text is None:
        return apply_fixes(report, config, unsafe=unsafe)
    fixed = fixed_text(report, config, text, unsafe=unsafe)
    sys.stdout.buffer.write(fixed)
    return fixed if fixed != text else False


def _write(request: Request, report: Report) -> None:
    """Write the report; next to a fixed text, to the standard error."""
    kwargs = {"statistics": request.statistics}
    if request.fix and request.is_text and request.output_file is None:
        if sys.stderr is not None:
            write(report, request.output_format, sys.stderr, **kwargs)
        return
    with report_file(request.output_file) as file:
        write(report, request.output_format, file, **kwargs)


def _run(request: Request, config: Config, text: bytes | None) -> Report:
    from ..progress import progress
    from ..run import run, run_text

    if text is None:
        jobs = os.cpu_count() or 1
        return run(request.targets, config, jobs=jobs, progress=progress)
    is_named = request.stdin_filename is not None
    return run_text(request.path_of_text, text, config, is_named=is_named)


def _stale(report: Report, config: Config) -> str:
    occur = "finding no longer occurs"
    if report.stale > 1:
        occur = "findings no longer occur"
    return (
        f"{report.stale} known {occur}. Write the baseline again with "
        f"--write-baseline {config.baseline}."
    )


def _nothing_checked(request: Request, config: Config, report: Report) -> int:
    """Report that nothing was checked, which is fine if everything is excluded.

    Raises:
        UsageError: if it is not.
    """
    if report.unread:
        problems = [
            f"\n  {visible(str(file.location))}: {file.code} {visible(file.reason)}"
            for file in report.unread
        ]
        raise UsageError(f"No target could be read.{''.join(problems)}")
    passed_over = _passed_over(report)
    if config.force_exclude and passed_over:
        say(f"No file is left to check.{passed_over}")
        return 0
    raise UsageError(
        "Nothing to check: no .py, .ipynb, .keras or .h5 file in the folder. Received: "
        f"{', '.join(request.targets)}.{passed_over}"
    )


def _passed_over(report: Report) -> str:
    """List what was excluded, and why."""
    lines = [
        f"\n  {visible(str(path))}: excluded ({reason})"
        for path, reason in report.passed_over.items()
    ]
    more = len(lines) - _MOST_SHOWN
    return "".join(lines[:_MOST_SHOWN]) + (f"\n  and {more} more" if more > 0 else "")
