"""The command `model-lint`.

check      the default command, which checks targets
options    its options
reference  the commands `rule` and `rules`
server     the command `server`
"""

from __future__ import annotations

import gc
import os
import sys
from glob import glob
from importlib import import_module
from io import StringIO, TextIOWrapper
from typing import NamedTuple

import click

from kerasbn.writing import (
    Interrupted,
    discard,
    interruptible,
    open_standard_streams,
    say,
)

from ..errors import UsageError
from ..writing import unwritten
from .status import FOUND, INTERRUPTED, UNUSABLE

CHECK = "check"


class _Place(NamedTuple):
    """The place of a command's definition, and its summary for the list."""

    module: str
    name: str
    about: str


_COMMANDS = {
    CHECK: _Place(
        "lint.cli.check", "check", "Check targets; the name `check` may be left out."
    ),
    "rule": _Place("lint.cli.reference", "rule", "Explain a rule."),
    "rules": _Place("lint.cli.reference", "rules", "List all rules."),
    "diagnose": _Place(
        "lint.diagnosis.command",
        "diagnose",
        "Find out what is wrong with a trained model.",
    ),
    "server": _Place("lint.cli.server", "server", "Run the language server."),
}


class _Commands(click.Group):
    """Commands that are loaded on use; `check` needs no name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in _COMMANDS:
            args = [CHECK, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (place := _COMMANDS.get(cmd_name)) is None:
            return None
        command: click.Command = getattr(import_module(place.module), place.name)
        return command

    def about(self) -> dict[str, str]:
        """A one-line summary of each command."""
        return {name: place.about for name, place in _COMMANDS.items()}


model_lint = _Commands("model-lint", add_help_option=False)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 clean, 1 something found, 2 unusable."""
    open_standard_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    if os.name == "nt":  # On other systems the shell does it.
        arguments = [argument for word in arguments for argument in _expanded(word)]
    gc.set_threshold(100_000, 20, 20)  # A run allocates much, and soon frees it all.
    # NumPy would start threads for matrices, which are not used here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # A `?` is better than a traceback.
    status = _status(arguments)
    gc.freeze()  # What is freed with the process needs no last collection.
    sys.exit(status)


def _expanded(word: str) -> list[str]:
    """Return the paths that match a pattern, or the word itself if none does."""
    is_pattern = any(sign in word for sign in "*?[") and not word.startswith("-")
    found = sorted(glob(word, recursive=True)) if is_pattern else []  # noqa: PTH207
    return found or [word]


def _status(arguments: list[str]) -> int:
    try:
        with interruptible():
            status = model_lint.main(arguments, "model-lint", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # Write errors show here, not while Python exits.
    except click.Abort:
        return INTERRUPTED
    except Interrupted as stop:
        return stop.status
    except click.ClickException as error:
        message = StringIO()
        error.show(message)
        say(message.getvalue().rstrip("\n"))
        return error.exit_code
    except UsageError as error:
        say(f"Error: {error}")
        return UNUSABLE
    except BrokenPipeError:  # The reader has left.
        discard(sys.stdout)
        return FOUND
    except OSError as error:
        if error.filename is not None:
            raise  # Not a failure to write to a stream, which has no file name here.
        discard(sys.stdout)
        problem = unwritten("report", error, "the standard output")
        say(f"Error: {problem}")
        return UNUSABLE
    return status or 0
