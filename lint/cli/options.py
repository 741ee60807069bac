"""The options of `model-lint`, in groups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..completion import rules_by_comma, targets_or_commands
from ..errors import UsageError
from ..reporters import DEFAULT, output_formats
from ..settings import FAIL_ON

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_FILE = click.Path(dir_okay=False, path_type=Path)


def _words(
    _: click.Context, option: click.Parameter, value: tuple[str, ...]
) -> list[str] | None:
    """Split values at commas; None if the option was not given."""
    words = [word.strip() for item in value for word in item.split(",")]
    words = [word for word in words if word]
    if value and not words:
        raise UsageError(
            f"{option.opts[0]} needs at least one word. Received: {value[0]!r}. "
            "See model-lint --help."
        )
    return words or None


def _rules(name: str, text: str) -> Decorator:
    return click.option(
        name,
        multiple=True,
        metavar="RULES",
        callback=_words,
        shell_complete=rules_by_comma,
        help=text,
    )


def _patterns(name: str, text: str) -> Decorator:
    return click.option(
        name, multiple=True, metavar="PATTERNS", callback=_words, help=text
    )


def _all(*decorators: Decorator) -> Decorator:
    """Combine decorators, in the order in which the help lists the options."""

    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


targets = click.argument(
    "targets", nargs=-1, metavar="TARGET...", shell_complete=targets_or_commands
)

choosing_rules = _all(
    _rules(
        "--select",
        "Apply only these rules: comma-separated codes, names or prefixes; or ALL.",
    ),
    _rules("--extend-select", "Apply these rules as well."),
    _rules("--ignore", "Leave out these rules."),
    _rules("--extend-ignore", "Leave out these rules as well."),
)

choosing_files = _all(
    _patterns("--exclude", "Skip these files and folders, as in .gitignore."),
    _patterns("--extend-exclude", "Skip these files and folders as well."),
    click.option(
        "--force-exclude/--no-force-exclude",
        default=None,
        help="Skip excluded files even if they are named on the command line.",
    ),
    click.option(
        "--respect-gitignore/--no-respect-gitignore",
        default=None,
        help="Skip what git ignores.  [default: respect-gitignore]",
    ),
    click.option(
        "--stdin-filename",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="The file name to assume for the text if TARGET is -.",
    ),
)

reporting = _all(
    click.option(
        "--output-format",
        type=click.Choice(output_formats()),
        default=DEFAULT,
        show_default=True,
        help="The format of the report.",
    ),
    click.option(
        "--output-file",
        type=_FILE,
        help="Write to this file instead of the standard output.",
    ),
    click.option(
        "--statistics", is_flag=True, help="Show only how often each rule was found."
    ),
    click.option("--show-settings", is_flag=True, help="Show the effective settings."),
    click.option("--show-files", is_flag=True, help="Show the files to be checked."),
)

changing = _all(
    click.option("--fix", is_flag=True, help="Apply safe fixes; report what is left."),
    click.option(
        "--diff", is_flag=True, help="Show what --fix would change, and change nothing."
    ),
    click.option(
        "--unsafe-fixes",
        is_flag=True,
        help="Let --fix and --diff apply unsafe fixes, too; review the result.",
    ),
    click.option(
        "--add-noqa", is_flag=True, help="Silence all current findings with comments."
    ),
    click.option(
        "--baseline", type=_FILE, help="Report only findings that are not in this file."
    ),
    click.option(
        "--write-baseline",
        type=_FILE,
        help="Write all current findings to this file, as known from now on.",
    ),
)

exit_status = _all(
    click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever was found."),
    click.option(
        "--exit-non-zero-on-fix",
        is_flag=True,
        help="Exit with 1 if something was fixed, even if nothing is left.",
    ),
    click.option(
        "--fail-on",
        type=click.Choice(FAIL_ON),
        help="The lowest severity that makes the exit status 1.  [default: warning]",
    ),
)

keras_version = click.option(
    "--keras-version",
    metavar="VERSION",
    help="The Keras version of the source, such as 3.15, or 2 for tf_keras.",
)
