"""What the commands print with `--help`, for the page about them."""

from __future__ import annotations

import click

from kerasbn.cli import main as model_fold
from lint.cli import model_lint

WIDTH = 80


def texts() -> dict[str, str]:
    """File name -> help, of both commands and of the commands within."""
    outer = click.Context(model_lint, info_name="model-lint")
    found = {"model-fold": _help(model_fold, "model-fold")}
    for name in model_lint.list_commands(outer):
        command = model_lint.get_command(outer, name)
        assert command is not None
        called = "model-lint" if name == "check" else f"model-lint {name}"
        found[called.replace(" ", "-")] = _help(command, called)
    return {f"{name}.txt": text for name, text in found.items()}


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, max_content_width=WIDTH)
    context.terminal_width = WIDTH
    return command.get_help(context) + "\n"
