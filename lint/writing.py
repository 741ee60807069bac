"""Output of a report: to the standard output, or to a file, written whole or not."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from kerasbn.writing import UnusableFileError, replacing

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def report_file(path: Path | None) -> Iterator[TextIO]:
    """Open the standard output, or the file with this path.

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
        with (
            _in_place(path) if _is_special(path) else text_file(path, "report") as file
        ):
            yield file
    except OSError as error:
        raise UsageError(unwritten("report", error, path)) from error


@contextmanager
def text_file(path: Path, label: str) -> Iterator[TextIO]:
    """Open a file that takes any text, and is replaced once all is written.

    Args:
        path: the file.
        label: its name in messages.

    Raises:
        UsageError: if it cannot be written.
    """
    try:
        with (
            replacing(path, label=label) as temporary,
            temporary.open("w", encoding="utf-8", errors="replace") as file,
        ):
            yield file
    except UnusableFileError as error:
        raise UsageError(str(error)) from error


def write_json(value: Any, file: TextIO) -> None:
    """Write a value as indented JSON, ended as a text file is."""
    json.dump(value, file, indent=2)
    file.write("\n")


def unwritten(label: str, error: OSError, place: Path | str) -> str:
    """Return the message for something that cannot be written."""
    reason = error.strerror or error
    return f"The {label} cannot be written: {reason}. Received: {place}."


def _in_place(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", errors="replace")


def _is_special(path: Path) -> bool:
    """Whether it is a device or a pipe, which takes output as it comes."""
    return os.path.lexists(path) and not path.is_file() and not path.is_dir()
