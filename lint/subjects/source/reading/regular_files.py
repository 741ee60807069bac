"""Reading of files that a project holds, of which only regular ones are opened."""

from __future__ import annotations

import os
from stat import S_ISREG
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# To open a pipe for reading would otherwise wait for somebody to write to it.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_regular(path: Path, most: int = -1) -> bytes:
    """Read a file, or its first bytes.

    Raises:
        OSError: if it cannot be opened, or is a pipe, a socket or a device.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | _AT_ONCE), "rb") as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("is no regular file")
        return file.read(most)
