"""The `.keras` format: a zip of configuration, weights and assets."""

from __future__ import annotations

import lzma
import math
import os
import re
import struct
import tempfile
import zipfile
import zlib
from functools import cached_property
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    BinaryIO,
    ClassVar,
    Literal,
    cast,
)

from kerasbn.archive import hdf5, hdf5_writing
from kerasbn.archive.base import Archive, Asset, parse_json
from kerasbn.archive.member_view import MemberView
from kerasbn.archive.numbering import Step, group_steps, layer_groups
from kerasbn.archive.probing import Stretch
from kerasbn.archive.upgrading import name_layers
from kerasbn.config_tree import layer_entries
from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from io import FileIO

    import h5py
    from h5py.h5g import GroupID

    from kerasbn.archive.hdf5 import StoredArray

CONFIG, METADATA = "config.json", "metadata.json"
WEIGHTS, ASSETS = "model.weights.h5", "assets/"

_NO_WEIGHTS = ("optimizer", "metrics")
# How much our own statistics have seen, which is no weight to Keras, and a kernel that
# Keras stores a second time with the layer around its owner.
_NOT_COUNTED = re.compile(
    r"/moving_weight/vars/0$|/spectral_normalization(_\d+)?/vars/0$"
)

_MAX_JSON_BYTES = 256 * 2**20
# A compressed member may be unpacked only up to this much more than it occupies.
# Keras itself stores its members as they are.
_HARMLESS_BYTES = 64 * 2**20
_MAX_EXPANSION = 100
# HDF5 may crash on flipped bytes, which the checksum tells; of larger files it takes
# longer than all the rest of linting them.
_CHECKED_BYTES = 64 * 2**20
# What zipfile raises on archives that are damaged in one way or another.
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


class KerasArchive(Archive):
    """An open `.keras` file; the resources it opens go into `resources`."""

    format: ClassVar[Literal["keras", "h5"]] = "keras"

    def __init__(self, path: Path, resources: ExitStack) -> None:
        self.path = path
        try:
            self._zip = resources.enter_context(zipfile.ZipFile(path))
        except _ZIP_ERRORS as error:
            raise UnusableFileError(
                f"Not a whole zip archive: {error}. Received: {path}. The file is "
                "damaged or was cut short; save or copy it again."
            ) from error
        self.config = parse_json(self._read(CONFIG), CONFIG)
        name_layers(self.config)
        has_metadata = METADATA in self._zip.namelist()
        self.metadata = (
            parse_json(self._read(METADATA), METADATA) if has_metadata else {}
        )
        self.root = resources.enter_context(
            hdf5.open_hdf5(*self._open_weights(resources), path)
        )
        # What was looked up already, which takes longer than to read a small array.
        self._opened: dict[str, GroupID | None] = {"": self.root.id}
        self._places: dict[tuple[Step, ...], str | None] = {(): ""}
        self._variables: dict[str, tuple[StoredArray, ...]] = {}

    def variables(self, path: str) -> tuple[StoredArray, ...]:
        if path not in self._variables:
            self._variables[path] = tuple(self._find_variables(path))
        return self._variables[path]

    def _find_variables(self, path: str) -> Iterator[StoredArray]:
        number = 0
        while (stored := self.variable(path, number)) is not None:
            yield stored
            number += 1

    def parameters(self) -> int:
        return sum(
            math.prod(shape)
            for path, shape in hdf5.shapes(self.root.id).items()
            if path.split("/")[0] not in _NO_WEIGHTS and not _NOT_COUNTED.search(path)
        )

    def variable(self, path: str, index: int) -> StoredArray | None:
        place = self._place(path)
        group = None if place is None else self._open_group(f"{place}/vars")
        return None if group is None else hdf5.array(group, str(index))

    def iterations(self) -> int | None:
        # Under loss scaling the outer optimizer's own count stays 0.
        for optimizer in ("optimizer/inner_optimizer", "optimizer"):
            stored = hdf5.array(self.root.id, f"{optimizer}/vars/0")
            if stored is not None and stored.shape == () and stored.dtype.kind in "iu":
                return int(stored.read())
        return None

    def copy_layer(self, path: str, target: h5py.Group) -> None:
        place = self._place(path)
        group = None if place is None else self._open_group(place)
        if group is not None:
            hdf5_writing.copy(group, target, skip=self._apart.get(path, ()))

    def copy_model(self, target: h5py.Group) -> None:
        hdf5_writing.copy(self.root.id, target, skip=("layers", *_NO_WEIGHTS))

    def assets(self) -> Iterator[Asset]:
        owners = {group: path for path, group in layer_groups(self.config).items()}
        for member in self._zip.infolist():
            if not member.filename.startswith(ASSETS) or member.is_dir():
                continue
            group, name = _split_asset(member.filename, owners)
            with self._open(member) as file:
                yield Asset(owners.get(group, ""), name, file)

    @cached_property
    def _apart(self) -> dict[str, tuple[str, ...]]:
        """Layer path -> members of its group that have paths, and are copied, apart."""
        members: dict[str, tuple[str, ...]] = {}
        for entry in layer_entries(self.config):
            if entry.is_model:
                members[entry.path] = ("layers",)
            elif entry.wrapped is not None:
                members[entry.path] = ("layer",)
        return members

    @cached_property
    def _steps(self) -> dict[str, tuple[Step, ...]]:
        return group_steps(self.config)

    def _place(self, path: str) -> str | None:
        """Where the layer's group is, by its number and checked against its name."""
        return self._at(self._steps[path]) if path in self._steps else None

    def _at(self, steps: tuple[Step, ...]) -> str | None:
        if steps not in self._places:
            above = self._at(steps[:-1])
            self._places[steps] = (
                None if above is None else self._below(above, steps[-1])
            )
        return self._places[steps]

    def _below(self, above: str, step: Step) -> str | None:
        place = f"{above}/{step.group}"
        found = self._open_group(place) is not None
        if found and (
            step.name is None or self._stored_name(place) in (None, step.name)
        ):
            return place
        # The numbers disagree, as after a custom operation that is no layer. Since
        # Keras 3.6 the layer's own name is stored as well.
        layers = self._open_group(f"{above}/layers")
        for name in [] if layers is None else hdf5.names(layers):
            place = f"{above}/layers/{name}"
            if self._stored_name(place) == step.name:
                return place
        return None

    def _stored_name(self, place: str) -> str | None:
        variables = self._open_group(f"{place}/vars")
        return None if variables is None else hdf5.text_attribute(variables, "name")

    def _open_group(self, place: str) -> GroupID | None:
        if place not in self._opened:
            above, _, name = place.rpartition("/")
            parent = self._open_group(above)
            self._opened[place] = None if parent is None else hdf5.group(parent, name)
        return self._opened[place]

    def _read(self, name: str) -> bytes:
        member = self._member(name)
        if member.file_size > _MAX_JSON_BYTES:
            raise UnusableFileError(
                f"{name} declares {member.file_size:,} bytes; no model's is so long. "
                "It is not read."
            )
        try:
            with self._open(member) as file:
                return file.read(_MAX_JSON_BYTES)
        except _ZIP_ERRORS as error:
            raise UnusableFileError(
                f"{name} in the archive cannot be read: {error}. The file is damaged; "
                "save or copy it again."
            ) from error

    def _member(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._zip.getinfo(name)
        except KeyError:
            raise UnusableFileError(
                f"The archive has no {name}, so it is no whole Keras model. Received: "
                f"{self.path} with {self._zip.namelist()[:5]}. Save the model with "
                "model.save('model.keras')."
            ) from None

    def _open(self, member: zipfile.ZipInfo) -> BinaryIO:
        limit = max(_HARMLESS_BYTES, _MAX_EXPANSION * member.compress_size)
        if member.file_size > limit:
            raise UnusableFileError(
                f"{member.filename} declares {member.file_size:,} bytes, packed into "
                f"{member.compress_size:,}. It is not unpacked."
            )
        try:
            return cast("BinaryIO", self._zip.open(member))
        except _ZIP_ERRORS as error:
            raise UnusableFileError(
                f"{member.filename} in the archive cannot be opened: {error}. The file "
                "is damaged; save or copy it again."
            ) from error

    def _open_weights(self, resources: ExitStack) -> tuple[BinaryIO, Stretch | None]:
        """The weights, and where on the disk they lie."""
        member = self._member(WEIGHTS)
        if member.compress_type == zipfile.ZIP_STORED:
            return self._view(member, resources)
        unpacked = self._unpack(member, resources)
        place = Path(f"/proc/{os.getpid()}/fd/{unpacked.fileno()}")
        size = member.file_size
        return unpacked, Stretch(str(place), 0, size) if place.exists() else None

    def _view(
        self, member: zipfile.ZipInfo, resources: ExitStack
    ) -> tuple[BinaryIO, Stretch]:
        """An uncompressed member, read in place."""
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
                f"{member.filename} declares {member.file_size:,} bytes that are not "
                f"all there. Received: {self.path}. The file is damaged or was cut "
                "short; save or copy it again."
            )
        if member.file_size <= _CHECKED_BYTES:
            file.seek(start)
            if _checksum(file, member.file_size) != member.CRC:
                raise UnusableFileError(
                    f"{member.filename} in the archive is damaged: its checksum is "
                    f"another. Received: {self.path}. Save or copy it again."
                )
        view = cast("BinaryIO", MemberView(file, start, member.file_size))
        return view, Stretch(str(self.path), start, member.file_size)

    def _unpack(self, member: zipfile.ZipInfo, resources: ExitStack) -> BinaryIO:
        """A compressed member, unpacked into a temporary file."""
        unpacked = resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        try:
            with self._open(member) as packed:
                while chunk := packed.read(2**20):
                    unpacked.write(chunk)
        except _ZIP_ERRORS as error:
            raise UnusableFileError(
                f"{member.filename} cannot be unpacked: {error}. The file is damaged; "
                "save or copy it again."
            ) from error
        unpacked.seek(0)
        return cast("BinaryIO", unpacked)


def _checksum(file: FileIO, size: int) -> int:
    """The checksum of the next `size` bytes, as a zip archive stores it."""
    checksum = 0
    while size > 0 and (chunk := file.read(min(size, 2**20))):
        checksum = zlib.crc32(chunk, checksum)
        size -= len(chunk)
    return checksum


def _split_asset(filename: str, owners: dict[str, Any]) -> tuple[str, str]:
    """(group, name within it) of an asset; the longest group that fits."""
    parts = filename.removeprefix(ASSETS).split("/")
    if any(part in ("", ".", "..") or "\\" in part for part in parts):
        raise UnusableFileError(
            f"An asset's name must stay inside the archive. Received: {filename!r}."
        )
    for cut in range(len(parts) - 1, 0, -1):
        if (group := "/".join(parts[:cut])) in owners:
            return group, "/".join(parts[cut:])
    return "", "/".join(parts)
