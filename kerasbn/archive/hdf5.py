"""Reading HDF5 with distrust: nothing outside the file is followed, sizes are capped.

An HDF5 file can link to other files, keep its data in other files, or declare an
array of any size at no cost. Keras writes none of these, so they are refused.
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import ml_dtypes
import numpy as np

from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Real weights are stored as they are. A compressed array may be larger than its
# stored bytes, but not without bound; small ones are never worth a refusal.
_HARMLESS_BYTES = 64 * 2**20
_MAX_EXPANSION = 1000


@dataclass(frozen=True)
class StoredArray:
    """One array of a file, not yet read.

    Attributes:
        shape: its shape.
        dtype: its dtype; bfloat16 is `ml_dtypes.bfloat16`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _dataset: h5py.Dataset

    def read(self) -> NDArray[Any]:
        """The values.

        Raises:
            UnusableFileError: if the file is damaged there.
        """
        try:
            values = np.asarray(self._dataset[()])
        except (OSError, RuntimeError, ValueError, MemoryError) as error:
            raise UnusableFileError(
                f"The array {self._dataset.name!r} cannot be read: {error}. The file "
                "is damaged or incomplete; save the model again."
            ) from error
        # bfloat16 is stored as two opaque bytes.
        return values.view(self.dtype) if values.dtype.kind == "V" else values


def open_hdf5(source: str | BinaryIO) -> h5py.File:
    """Open an HDF5 file for reading.

    Raises:
        UnusableFileError: if it is not HDF5 or is cut short.
    """
    try:
        return h5py.File(source, "r")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise UnusableFileError(
            f"Not a readable HDF5 file: {error}. It is damaged, cut short or of "
            "another kind; save the model again."
        ) from error


def child(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset | None:
    """The object at `path` below `group`, reached by plain links only, or None."""
    here: Any = group
    for name in path.split("/"):
        if not isinstance(here, h5py.Group):
            return None
        link = _link(here, name)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise UnusableFileError(
                f"{here.name}/{name} is a link to another place, which Keras never "
                f"writes; it is not followed. Received: {type(link).__name__}"
            )
        try:
            here = here[name]
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise UnusableFileError(
                f"{here.name}/{name} cannot be opened: {error}. The file is damaged; "
                "save the model again."
            ) from error
    return here


def array(group: h5py.Group, path: str) -> StoredArray | None:
    """The array at `path` below `group`, checked but not read, or None."""
    dataset = child(group, path)
    if not isinstance(dataset, h5py.Dataset):
        return None
    if dataset.external or dataset.is_virtual:
        raise UnusableFileError(
            f"{dataset.name} keeps its data in another file, which Keras never does; "
            "it is not read."
        )
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > max(_HARMLESS_BYTES, _MAX_EXPANSION * stored):
        raise UnusableFileError(
            f"{dataset.name} declares {dataset.nbytes:,} bytes but holds {stored:,}; "
            "such an array is not read. Save the model again."
        )
    dtype = dataset.dtype
    if dtype == np.dtype("V2"):
        dtype = np.dtype(ml_dtypes.bfloat16)
    elif dtype.kind not in "biuf":
        return None
    return StoredArray(tuple(dataset.shape), dtype, dataset)


def datasets(group: h5py.Group, prefix: str = "") -> Iterator[tuple[str, StoredArray]]:
    """Every array below `group` with its path relative to it, in order of name."""
    for name in group:
        path = f"{prefix}{name}"
        item = child(group, name)
        if isinstance(item, h5py.Group):
            yield from datasets(item, f"{path}/")
        elif (stored := array(group, name)) is not None:
            yield path, stored


def text_attribute(item: h5py.Group, name: str) -> str | None:
    """A text attribute, or None where it is missing or no text."""
    value = _attribute(item, name)
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return value.decode()
    return value if isinstance(value, str) else None


def text_list_attribute(group: h5py.Group, name: str) -> list[str]:
    """A list of texts, which Keras splits into `name0`, `name1` … when it is long."""
    value = _attribute(group, name)
    if value is not None:
        return _texts(value)
    parts: list[Any] = []
    while (part := _attribute(group, f"{name}{len(parts)}")) is not None:
        parts.append(part)
    return [text for part in parts for text in _texts(part)]


def copy(source: h5py.Group, target: h5py.Group, skip: set[str] | None = None) -> None:
    """Copy the groups, arrays and names below `source`, and nothing else.

    One array is in memory at a time. `skip` leaves out members of `source` itself.
    """
    for name in source:
        if skip and name in skip:
            continue
        if (stored := array(source, name)) is not None:
            write_array(target, name, stored.read())
        elif isinstance(item := child(source, name), h5py.Group):
            below = target.require_group(name)
            if (text := text_attribute(item, "name")) is not None:
                below.attrs["name"] = text
            copy(item, below)


def write_array(group: h5py.Group, name: str, values: NDArray[Any]) -> None:
    """Write an array as Keras does: bfloat16 is told by an attribute."""
    dataset = group.create_dataset(name, data=values)
    if values.dtype == ml_dtypes.bfloat16:
        dataset.attrs["dtype"] = "bfloat16"


class MemberView(io.RawIOBase):
    """A stretch of a file as a file of its own.

    A model's weights lie uncompressed inside its zip archive. `zipfile` can seek in
    them only by reading on from the start, which makes h5py crawl.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
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
        """The position within the stretch."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move within the stretch."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        self._position = max(0, base[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the position on, never beyond the stretch."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self._size - self._position))
        self._file.seek(self._start + self._position)
        data = self._file.read(wanted)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def _link(group: h5py.Group, name: str) -> Any:
    try:
        return group.get(name, getlink=True)
    except (OSError, RuntimeError, ValueError):
        return None


def _attribute(item: h5py.Group, name: str) -> Any:
    try:
        return item.attrs.get(name)
    except (OSError, RuntimeError, ValueError, TypeError):
        return None


def _texts(value: Any) -> list[str]:
    return [
        item.decode(errors="replace") if isinstance(item, bytes) else str(item)
        for item in np.asarray(value).reshape(-1).tolist()
    ]
