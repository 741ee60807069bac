"""The parts of a model in an untrusted zip archive."""

from __future__ import annotations

import lzma
import os
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from kerasbn.archive.member_view import MemberView
from kerasbn.archive.members import ASSETS, Members
from kerasbn.archive.probing import Stretch
from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from io import FileIO

# The limit to which a compressed member may expand, relative to its size. Keras itself
# stores its members uncompressed.
_HARMLESS_BYTES = 64 * 2**20
_MAX_EXPANSION = 100
# HDF5 may crash on flipped bytes, which the checksum reveals; for larger files, the
# checksum takes longer than all the rest of linting them.
_CHECKED_BYTES = 64 * 2**20
# The errors that zipfile raises on damaged archives.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
)


class ZipMembers(Members):
    """The members of a zip archive, which goes into `resources`."""

    def __init__(self, path: Path, resources: ExitStack) -> None:
        self.path = path
        try:
            self._zip = resources.enter_context(zipfile.ZipFile(path))
        except _ZIP_ERRORS as error:
            raise UnusableFileError(
                f"Not a complete zip archive: {error}. Received: {path}. The file is "
                "damaged or truncated; save or copy it again."
            ) from error

    def names(self) -> list[str]:
        return self._zip.namelist()

    def assets(self) -> Iterator[str]:
        for member in self._zip.infolist():
            if member.filename.startswith(ASSETS) and not member.is_dir():
                yield member.filename

    def size(self, name: str) -> int:
        return self._member(name).file_size

    def read(self, name: str) -> bytes:
        try:
            return super().read(name)
        except UnusableFileError:
            raise
        except _ZIP_ERRORS as error:
            raise UnusableFileError(
                f"{name} in the archive cannot be read: {error}. The file is damaged; "
                "save or copy it again."
            ) from error

    def open(self, name: str) -> BinaryIO:
        member = self._member(name)
        limit = max(_HARMLESS_BYTES, _MAX_EXPANSION * member.compress_size)
        if member.file_size > limit:
            raise UnusableFileError(
                f"{name} declares {member.file_size:,} bytes, packed into "
                f"{member.compress_size:,}. It is not unpacked."
            )
        try:
            return cast("BinaryIO", self._zip.open(member))
        except _ZIP_ERRORS as error:
            raise UnusableFileError(
                f"{name} in the archive cannot be opened: {error}. The file "
                "is damaged; save or copy it again."
            ) from error

    def open_weights(
        self, name: str, resources: ExitStack
    ) -> tuple[BinaryIO, Stretch | None]:
        member = self._member(name)
        if member.compress_type == zipfile.ZIP_STORED:
            return self._view(member, resources)
        unpacked = self._unpack(name, resources)
        place = Path(f"/proc/{os.getpid()}/fd/{unpacked.fileno()}")
        size = member.file_size
        return unpacked, Stretch(str(place), 0, size) if place.exists() else None

    def _member(self, name: str) -> zipfile.ZipInfo:
        self.need(name)
        return self._zip.getinfo(name)

    def _view(
        self, member: zipfile.ZipInfo, resources: ExitStack
    ) -> tuple[BinaryIO, Stretch]:
        """Open an uncompressed member, read in place."""
        file = resources.enter_context(self.path.open("rb", buffering=0))
        file_size = self.path.stat().st_size
        file.seek(min(max(0, member.header_offset), file_size))
        header = file.read(30)  # A fixed part, then the name and an extra field.
        start = (
            member.header_offset
            + len(header)
            + int.from_bytes(header[26:28], "little")
            + int.from_bytes(header[28:30], "little")
        )
        whole = start + member.file_size <= file_size
        if header[:4] != b"PK\x03\x04" or member.flag_bits & 0x1 or not whole:
            raise UnusableFileError(
                f"{member.filename} declares {member.file_size:,} bytes, but not all "
                f"are there. Received: {self.path}. The file is damaged or truncated; "
                "save or copy it again."
            )
        if member.file_size <= _CHECKED_BYTES:
            file.seek(start)
            if _checksum(file, member.file_size) != member.CRC:
                raise UnusableFileError(
                    f"{member.filename} in the archive is damaged: its checksum does "
                    f"not match. Received: {self.path}. Save or copy it again."
                )
        view = cast("BinaryIO", MemberView(file, start, member.file_size))
        return view, Stretch(str(self.path), start, member.file_size)

    def _unpack(self, name: str, resources: ExitStack) -> BinaryIO:
        """Unpack a compressed member into a temporary file."""
        unpacked = resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        try:
            with self.open(name) as packed:
                while chunk := packed.read(2**20):
                    unpacked.write(chunk)
        except _ZIP_ERRORS as error:
            raise UnusableFileError(
                f"{name} cannot be unpacked: {error}. The file is damaged; "
                "save or copy it again."
            ) from error
        unpacked.seek(0)
        return cast("BinaryIO", unpacked)


def _checksum(file: FileIO, size: int) -> int:
    """Compute the checksum of the next `size` bytes, as in a zip archive."""
    checksum = 0
    while size > 0 and (chunk := file.read(min(size, 2**20))):
        checksum = zlib.crc32(chunk, checksum)
        size -= len(chunk)
    return checksum
