"""The standard streams, which may be closed, full, or without a reader."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from kerasbn.writing.text import visible

if TYPE_CHECKING:
    from typing import TextIO


def say(text: object) -> None:
    """Write a message to the standard error, if it takes one.

    Line breaks are kept; anything else that a terminal would obey is escaped.
    """
    if sys.stderr is None:
        return
    try:
        print(visible(text, keep="\n"), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        discard(sys.stderr)


def discard(stream: TextIO | None) -> None:
    """Drop what a stream could not write, and everything after it.

    Otherwise Python tries once more at exit, and changes the exit status.
    """
    try:
        if stream is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    except (OSError, ValueError):
        pass  # It is not a file, or closed, and Python will not try again.


def open_standard_streams() -> None:
    """Open the standard streams that are closed, onto nothing.

    Otherwise the next file that is opened takes the place of one, and a library's
    output lands in a model.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It takes the lowest free number.
