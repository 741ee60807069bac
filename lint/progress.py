"""Progress of a long run, for whoever is watching."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .linter import Result

# Shorter runs need no bar.
_PATIENCE = 1.0  # seconds


def progress(results: Iterator[Result], total: int) -> Iterator[Result]:
    """Pass on results, with a bar on the standard error if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield from results
        return
    begin = time.monotonic()
    done = 0
    for result in results:
        yield result
        done += 1
        if time.monotonic() - begin > _PATIENCE:
            break
    else:
        return
    yield from _with_bar(results, done, total)


def _with_bar(results: Iterator[Result], done: int, total: int) -> Iterator[Result]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("Checking"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, completed=done)
        for result in results:
            bar.advance(task)
            yield result
