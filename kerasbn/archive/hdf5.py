"""Reading HDF5 with distrust: nothing outside the file is followed, sizes are capped.

An HDF5 file can link to other files, keep its data in other files, or declare an
array of any size at no cost. Keras writes none of these, so they are refused.
"""

from __future__ import annotations

import math
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import ml_dtypes
import numpy as np

from kerasbn.archive.blocks import blocks
from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from kerasbn.archive.blocks import Blockwise, Place

# Keras stores weights as they are. A compressed array may be larger than its stored
# bytes, but not without bound; small ones are never worth a refusal.
_HARMLESS_BYTES = 2**20
_MAX_EXPANSION = 1000
_MAX_DEPTH = 200
_LINK_TYPES = {
    h5py.h5g.LINK: "SoftLink",
    4: "ExternalLink",  # or any other that is no link within the file (H5G_UDLINK)
}
# What h5py raises on files that are damaged in one way or another.
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

# The dtype by which bfloat16 is stored.
_OPAQUE = np.dtype("V2")


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

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    def read(self) -> NDArray[Any]:
        """All values.

        Raises:
            UnusableFileError: if the file is damaged there.
        """
        return self[()]

    def __getitem__(self, place: Place) -> NDArray[Any]:
        """The values at one place.

        Raises:
            UnusableFileError: if the file is damaged there.
        """
        with _damage_told(self._dataset.name):
            values = np.asarray(self._dataset[place])
        # bfloat16 is stored as two opaque bytes.
        return values.view(self.dtype) if values.dtype.kind == "V" else values


def open_hdf5(source: str | BinaryIO) -> h5py.File:
    """Open an HDF5 file for reading.

    Raises:
        UnusableFileError: if it is not HDF5 or is cut short.
    """
    try:
        return h5py.File(source, "r")
    except _HDF5_ERRORS as error:
        raise UnusableFileError(
            f"Not a readable HDF5 file: {error}. It is damaged, cut short or of "
            "another kind; save the model again."
        ) from error


def child(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset | None:
    """The object at `path` below `group`, reached by plain links only, or None."""
    # By h5py's lower interface, which is several times as fast as `group[path]`.
    here: Any = group.id
    with _damage_told(path):
        for name in path.split("/"):
            if not isinstance(here, h5py.h5g.GroupID):
                return None
            link = _link(here, name)
            if link is None:
                return None
            if link.type in _LINK_TYPES:
                raise _linked(name, _LINK_TYPES[link.type])
            if link.nlink > 1:
                # One of them may lead back up, or lead to the same a million times.
                raise _linked(name, f"{link.nlink} hard links to it")
            here = h5py.h5o.open(here, name.encode())
        if isinstance(here, h5py.h5g.GroupID):
            return h5py.Group(here)
        return h5py.Dataset(here) if isinstance(here, h5py.h5d.DatasetID) else None


def group(parent: h5py.Group, path: str) -> h5py.Group | None:
    """The group at `path` below `parent`, reached by plain links only, or None."""
    found = child(parent, path)
    return found if isinstance(found, h5py.Group) else None


def names(parent: h5py.Group) -> list[str]:
    """The names of a group's members, in order."""
    with _damage_told("A group"):
        return list(parent)


def array(parent: h5py.Group, path: str) -> StoredArray | None:
    """The array of numbers at `path` below `parent`, checked but not read, or None."""
    dataset = child(parent, path)
    if not isinstance(dataset, h5py.Dataset):
        return None
    with _damage_told(path):
        kept = dataset.id.get_create_plist()
        if kept.get_external_count() or kept.get_layout() == h5py.h5d.VIRTUAL:
            raise UnusableFileError(
                f"{dataset.name} keeps its data in another file, which Keras never "
                "does; it is not read."
            )
        shape, dtype = tuple(dataset.shape), dataset.dtype
        _check_size(dataset, math.prod(shape) * dtype.itemsize)
        if dtype == _OPAQUE:
            dtype = np.dtype(ml_dtypes.bfloat16)
        elif dtype.kind not in "biufc":
            return None
        return StoredArray(shape, dtype, dataset)


def datasets(parent: h5py.Group) -> Iterator[tuple[str, StoredArray]]:
    """Every array of numbers below `parent` with its path relative to it."""
    for path, _ in _below(parent):
        if (stored := array(parent, path)) is not None:
            yield path, stored


def shapes(parent: h5py.Group) -> dict[str, tuple[int, ...]]:
    """The shape of every array below `parent`, by its path relative to it.

    Unlike `datasets`, it checks nothing but the depth, and takes a tenth of the time.
    """
    paths: list[bytes] = []

    def note(path: bytes) -> None:  # Called for each object once; links are passed by.
        _check_depth(path.decode(errors="replace"))
        paths.append(path)

    with _damage_told("A group"):
        h5py.h5o.visit(parent.id, note)
        opened = ((path, h5py.h5o.open(parent.id, path)) for path in paths)
        return {
            path.decode(errors="replace"): tuple(item.shape)
            for path, item in opened
            if isinstance(item, h5py.h5d.DatasetID)
        }


def text_attribute(item: h5py.Group, name: str) -> str | None:
    """A text attribute, or None where it is missing or no text."""
    value = _attribute(item, name)
    with suppress(UnicodeError):  # h5py lets bytes that are no text pass as a text.
        if isinstance(value, str):
            return value.encode().decode()
        if isinstance(value, bytes):
            return value.decode()
    return None


def text_list_attribute(group: h5py.Group, name: str) -> list[str]:
    """A list of texts, which Keras splits into `name0`, `name1` … when it is long."""
    value = _attribute(group, name)
    if value is not None:
        return _texts(value)
    parts: list[Any] = []
    while (part := _attribute(group, f"{name}{len(parts)}")) is not None:
        parts.append(part)
    return [text for part in parts for text in _texts(part)]


def copy(source: h5py.Group, target: h5py.Group, skip: Collection[str] = ()) -> None:
    """Copy the groups, arrays and names below `source`, and nothing else.

    One block of an array is in memory at a time. `skip` leaves out members of `source`
    itself.

    Raises:
        UnusableFileError: if something there is neither.
    """
    for path, item in _below(source, skip):
        if isinstance(item, h5py.Group):
            below = target.require_group(path)
            if (text := text_attribute(item, "name")) is not None:
                below.attrs["name"] = text
        elif (stored := array(source, path)) is not None:
            write_array(target, path, stored)
        else:
            raise UnusableFileError(
                f"{item.name} holds no numbers, so it cannot be copied. Received: "
                f"{item.dtype}."
            )


def write_array(group: h5py.Group, name: str, values: Blockwise) -> None:
    """Write an array as Keras does: bfloat16 is told by an attribute."""
    dataset = group.create_dataset(name, values.shape, values.dtype)
    for place in blocks(values.shape):
        dataset[place] = values[place]
    if values.dtype == ml_dtypes.bfloat16:
        dataset.attrs["dtype"] = "bfloat16"


def _below(parent: h5py.Group, skip: Collection[str] = ()) -> Iterator[tuple[str, Any]]:
    """Everything below `parent` with its path relative to it, outer before inner."""
    pending = [("", parent)]
    while pending:
        prefix, here = pending.pop()
        for name in names(here):
            path = f"{prefix}{name}"
            _check_depth(path)
            if path in skip or (item := child(here, name)) is None:
                continue
            yield path, item
            if isinstance(item, h5py.Group):
                pending.append((f"{path}/", item))


def _check_depth(path: str) -> None:
    if path.count("/") > _MAX_DEPTH:
        raise UnusableFileError(
            f"Groups are nested more than {_MAX_DEPTH} deep; no model's are. "
            f"Received: {path[:60]}…"
        )


def _link(parent: h5py.h5g.GroupID, name: str) -> Any:
    """What a member of a group is, itself and not what it may lead to, or None."""
    try:
        return h5py.h5g.get_objinfo(parent, name.encode(), follow_link=False)
    except (*_HDF5_ERRORS, UnicodeError):
        return None


def _attribute(item: h5py.Group, name: str) -> Any:
    try:
        return item.attrs.get(name)
    except _HDF5_ERRORS:
        return None


def _check_size(dataset: h5py.Dataset, size: int) -> None:
    if size <= _HARMLESS_BYTES:
        return
    stored = dataset.id.get_storage_size()
    if size > _MAX_EXPANSION * stored:
        raise UnusableFileError(
            f"{dataset.name} declares {size:,} bytes but holds {stored:,}; "
            "such an array is not read. Save the model again."
        )


def _linked(name: str, received: str) -> UnusableFileError:
    return UnusableFileError(
        f"{name} is a link to another place, which Keras never writes; it is not "
        f"followed. Received: {received}."
    )


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    """Turn what h5py raises on damage into one clear error."""
    try:
        yield
    except UnusableFileError:
        raise
    except _HDF5_ERRORS as error:
        raise UnusableFileError(
            f"{name} in the HDF5 file cannot be read: {error}. The file is damaged or "
            "incomplete; save the model again."
        ) from error


def _texts(value: Any) -> list[str]:
    return [
        item.decode(errors="replace") if isinstance(item, bytes) else str(item)
        for item in np.asarray(value).reshape(-1).tolist()
    ]
