"""A part of a file as a file of its own, for HDF5 to read and to write.

A model's weights lie uncompressed inside its zip archive. `zipfile` can seek in them
only by reading from the start, which makes h5py crawl, and can write them only from
start to end, which HDF5 does not do.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import BinaryIO


class MemberView(io.RawIOBase):
    """A readable part of a file.

    Args:
        file: the file, preferably unbuffered.
        start: the offset of the part.
        size: the size of the part in bytes.
    """

    def __init__(self, file: BinaryIO | io.FileIO, start: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Return the position within the part."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move within the part."""
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += self._size
        self._position = max(0, offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the position on, never beyond the part."""
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._position)]
        self._file.seek(self._start + self._position)
        count = 0
        while count < len(view) and (
            more := self._file.readinto(view[count:])  # type: ignore[union-attr]
        ):
            count += more
        self._position += count
        return count


class MemberWriter(MemberView):
    """The writable end of a file, from `start` on.

    A failed write, for example on a full disk, must not reach HDF5, which then cannot
    close its file and takes the process down. The first such error is kept, and
    everything after it is dropped: call `check` while writing and at the end.
    """

    def __init__(self, file: io.FileIO, start: int) -> None:
        super().__init__(file, start, 0)
        self._error: BaseException | None = None

    def check(self) -> None:
        """Raise the error of a write that failed or was interrupted.

        Raises:
            OSError: the first error.
        """
        if self._error is not None:
            raise self._error

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Write all of `data` at the position."""
        view = memoryview(data).cast("B")
        if self._error is None:
            try:
                self._write(view)
            except BaseException as error:
                self._error = error
        self._position += len(view)
        self._size = max(self._size, self._position)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the part, which ends the file."""
        self._size = self._position if size is None else size
        if self._error is None:
            try:
                self._file.truncate(self._start + self._size)
            except BaseException as error:
                self._error = error
        return self._size

    def _write(self, view: memoryview) -> None:
        self._file.seek(self._start + self._position)
        while view:
            view = view[self._file.write(view) :]
