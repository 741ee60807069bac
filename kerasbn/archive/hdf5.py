"""Cautious reading of HDF5: nothing outside the file is followed, sizes are capped.

An HDF5 file can link to other files, keep its data in other files, or declare an
array of any size at no cost. Keras writes none of these, so they are refused.

Groups and arrays are h5py's identifiers, not its objects: a model has hundreds of small
arrays, and making an object of each takes several times as long as reading it.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import numpy as np
from h5py.h5d import DatasetID
from h5py.h5g import GroupID

from kerasbn.archive.probing import complaint
from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from kerasbn.archive.blocks import Place
    from kerasbn.archive.probing import Stretch


# Keras stores weights as they are. A compressed array may be larger than its stored
# bytes, but not without bound; small ones are never worth a refusal.
_HARMLESS_BYTES = 2**20
_MAX_EXPANSION = 1000
_MAX_DEPTH = 200
_LINK_TYPES = {
    h5py.h5g.LINK: "SoftLink",
    4: "ExternalLink",  # or any other link out of the file (H5G_UDLINK)
}
# The errors that h5py raises on damaged files.
_HDF5_ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
)

# The dtype as which bfloat16 is stored.
_OPAQUE = np.dtype("V2")


@dataclass(frozen=True)
class StoredArray:
    """An array of a file, not yet read.

    Attributes:
        shape: its shape.
        dtype: its dtype; bfloat16 is `ml_dtypes.bfloat16`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _dataset: DatasetID

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def read(self) -> NDArray[Any]:
        """Read all values.

        Raises:
            UnusableFileError: if the file is damaged there.
        """
        if self.dtype.kind == "V":  # bfloat16
            return self[()]
        values = np.empty(self.shape, self.dtype)
        with _DamageExplained(self._dataset):
            self._dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return values

    def __getitem__(self, place: Place) -> NDArray[Any]:
        """Read the values at one place.

        Raises:
            UnusableFileError: if the file is damaged there.
        """
        with _DamageExplained(self._dataset):
            values = np.asarray(h5py.Dataset(self._dataset)[place])
        # bfloat16 is stored as two opaque bytes.
        return values.view(self.dtype) if values.dtype.kind == "V" else values


def open_hdf5(
    source: str | BinaryIO, place: Stretch | None, path: Path, *, own: bool = False
) -> h5py.File:
    """Open an HDF5 file for reading.

    Args:
        source: the file.
        place: the place of the file on the disk, if any.
        path: the model file, for messages.
        own: whether this process wrote it, so that nothing in it can be hostile.

    Raises:
        UnusableFileError: if it is not HDF5 or is damaged, including the case that the
            HDF5 library crashes on it or never returns.
    """
    try:
        wrong = None if own else complaint(source, place)
        if wrong is not None:
            raise OSError(wrong)
        return h5py.File(source, "r")
    except _HDF5_ERRORS as error:
        raise UnusableFileError(
            f"Not a readable HDF5 file: {error}. Received: {path}. The file is "
            "damaged, truncated or of another kind; save the model again."
        ) from error


def child(parent: GroupID, path: str) -> GroupID | DatasetID | None:
    """Return the object at `path` below `parent`, by plain links only, or None."""
    here: Any = parent
    with _DamageExplained(path):
        for name in path.split("/"):
            if not isinstance(here, GroupID):
                return None
            link = _link(here, name)
            if link is None:
                return None
            if link.type in _LINK_TYPES:
                raise _linked(name, _LINK_TYPES[link.type])
            if link.nlink > 1:
                # One of them may lead back up, or to the same object a million times.
                raise _linked(name, f"{link.nlink} hard links to it")
            here = h5py.h5o.open(here, name.encode())
    return here if isinstance(here, GroupID | DatasetID) else None


def group(parent: GroupID, path: str) -> GroupID | None:
    """Return the group at `path` below `parent`, by plain links only, or None."""
    found = child(parent, path)
    return found if isinstance(found, GroupID) else None


def names(parent: GroupID) -> list[str]:
    """Return the names of a group's members, in order."""
    with _DamageExplained("A group"):
        return list(h5py.Group(parent))


def array(parent: GroupID, path: str) -> StoredArray | None:
    """Return the array at `path` below `parent`, checked but not read, or None."""
    dataset = child(parent, path)
    if not isinstance(dataset, DatasetID):
        return None
    with _DamageExplained(path):
        if dataset.get_offset() is None:  # It is not contiguous in this file.
            _check_is_inside(dataset)
        shape, dtype = dataset.shape, dataset.dtype
        _check_size(dataset, math.prod(shape) * dtype.itemsize)
        if dtype == _OPAQUE:
            import ml_dtypes  # Few files need it.

            dtype = np.dtype(ml_dtypes.bfloat16)
        elif dtype.kind not in "biufc":
            return None
        return StoredArray(shape, dtype, dataset)


def datasets(parent: GroupID) -> Iterator[tuple[str, StoredArray]]:
    """Yield every array of numbers below `parent` with its relative path."""
    for path, _ in below(parent):
        if (stored := array(parent, path)) is not None:
            yield path, stored


def shapes(parent: GroupID) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array below `parent`, by its relative path.

    Unlike `datasets`, it checks only the depth, and takes a tenth of the time.
    """
    paths: list[bytes] = []

    def note(path: bytes) -> None:  # Called for each object once; links are skipped.
        _check_depth(path.decode(errors="replace"))
        paths.append(path)

    with _DamageExplained("A group"):
        h5py.h5o.visit(parent, note)
        opened = ((path, h5py.h5o.open(parent, path)) for path in paths)
        return {
            path.decode(errors="replace"): tuple(item.shape)
            for path, item in opened
            if isinstance(item, DatasetID)
        }


def text_attribute(item: GroupID, name: str) -> str | None:
    """Return a text attribute, or None if it is missing or not a text."""
    with suppress(*_HDF5_ERRORS):  # These include invalid Unicode.
        if h5py.h5a.exists(item, name.encode()):
            stored = h5py.h5a.open(item, name.encode())
            if h5py.check_string_dtype(stored.dtype) and stored.shape == ():
                value = np.empty((), stored.dtype)
                stored.read(value)
                return bytes(value[()]).decode()
    return None


def text_list_attribute(group: GroupID, name: str) -> list[str]:
    """Return a list of texts, which Keras splits into `name0`, `name1` … if long."""
    value = _attribute(group, name)
    if value is not None:
        return _texts(value)
    parts: list[Any] = []
    while (part := _attribute(group, f"{name}{len(parts)}")) is not None:
        parts.append(part)
    return [text for part in parts for text in _texts(part)]


def below(
    parent: GroupID, skip: Collection[str] = ()
) -> Iterator[tuple[str, GroupID | DatasetID]]:
    """Yield everything below `parent` with its relative path, outer before inner.

    `skip` leaves out members of `parent` itself.
    """
    pending = [("", parent)]
    while pending:
        prefix, here = pending.pop()
        for name in names(here):
            path = f"{prefix}{name}"
            _check_depth(path)
            if path in skip or (item := child(here, name)) is None:
                continue
            yield path, item
            if isinstance(item, GroupID):
                pending.append((f"{path}/", item))


def full_name(item: GroupID | DatasetID) -> str:
    """Return an object's path in its file, for messages."""
    return (h5py.h5i.get_name(item) or b"?").decode(errors="replace")


def _check_depth(path: str) -> None:
    if path.count("/") > _MAX_DEPTH:
        raise UnusableFileError(
            f"Groups are nested more than {_MAX_DEPTH} deep, which no real model's "
            f"are. Received: {path[:60]}…"
        )


def _link(parent: GroupID, name: str) -> Any:
    """Return the kind of a group's member itself, not of its target, or None."""
    try:
        return h5py.h5g.get_objinfo(parent, name.encode(), follow_link=False)
    except (*_HDF5_ERRORS, UnicodeError):
        return None


def _attribute(item: GroupID, name: str) -> Any:
    try:
        return h5py.Group(item).attrs.get(name)
    except _HDF5_ERRORS:
        return None


def _check_is_inside(dataset: DatasetID) -> None:
    kept = dataset.get_create_plist()
    if kept.get_external_count() or kept.get_layout() == h5py.h5d.VIRTUAL:
        raise UnusableFileError(
            f"{full_name(dataset)} keeps its data in another file, which Keras never "
            "does, and is not read."
        )
    if dataset.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        raise ValueError("it is empty")


def _check_size(dataset: DatasetID, size: int) -> None:
    if size <= _HARMLESS_BYTES:
        return
    stored = dataset.get_storage_size()
    if size > _MAX_EXPANSION * stored:
        raise UnusableFileError(
            f"{full_name(dataset)} declares {size:,} bytes but holds {stored:,}, and "
            "is not read. Save the model again."
        )


def _linked(name: str, received: str) -> UnusableFileError:
    return UnusableFileError(
        f"{name} is a link to another place, which Keras never writes, and is not "
        f"followed. Received: {received}."
    )


class _DamageExplained:
    """Turn h5py's errors on damage into one clear error.

    A class, as a generator would take several times as long, for each small array.
    """

    __slots__ = ("_item",)

    def __init__(self, item: str | DatasetID) -> None:
        self._item = item

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, _HDF5_ERRORS) and not isinstance(error, UnusableFileError):
            item = self._item
            name = item if isinstance(item, str) else full_name(item)
            raise UnusableFileError(
                f"{name} in the HDF5 file cannot be read: {error}. The file is damaged "
                "or incomplete; save the model again."
            ) from error


def _texts(value: Any) -> list[str]:
    return [
        item.decode(errors="replace") if isinstance(item, bytes) else str(item)
        for item in np.asarray(value).reshape(-1).tolist()
    ]
