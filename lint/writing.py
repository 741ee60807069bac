"""What is written: to the standard output, or to files that appear whole or not."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def report_file(path: Path | None) -> Iterator[TextIO]:
    """The standard output, or the file with this path.

    Raises:
        UsageError: if it cannot be written.
    """
    if path is None:
        if sys.stdout is None:
            raise UsageError(
                "The report cannot be written: the standard output is closed. "
                "Write it to a file with --output-file."
            )
        yield sys.stdout
        return
    try:
        with _in_place(path) if _is_special(path) else replacing(path, "utf-8") as file:
            yield file
    except OSError as error:
        raise UsageError(unwritten("report", error, path)) from error


@contextmanager
def replacing(path: Path, encoding: str | None = None) -> Iterator[Any]:
    """A file beside `path` that takes its place once all is written.

    A link stays a link, and the file that it leads to keeps its permissions. Without
    an encoding it takes bytes, with one texts, of which none is refused.

    Raises:
        OSError: if the folder or the disk does not take it.
    """
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    errors = "replace" if encoding else None
    file = unfinished.open("x" if encoding else "xb", encoding=encoding, errors=errors)
    try:
        with file:
            yield file
        if target.exists():
            shutil.copymode(target, unfinished)
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink()
        raise


def unwritten(what: str, error: OSError, where: Path | str) -> str:
    """Why something cannot be written."""
    reason = error.strerror or error
    return f"The {what} cannot be written: {reason}. Received: {where}."


def _in_place(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", errors="replace")


def _is_special(path: Path) -> bool:
    """Whether it is a device, a pipe or a link to nothing, which must stay one."""
    return os.path.lexists(path) and not path.is_file()
