"""Writing of HDF5 in the form that Keras uses, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from h5py.h5g import GroupID

from kerasbn.archive import hdf5
from kerasbn.archive.blocks import blocks
from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Collection

    import h5py

    from kerasbn.archive.blocks import Blockwise


def copy(source: GroupID, target: h5py.Group, skip: Collection[str] = ()) -> None:
    """Copy the groups, arrays and names below `source`, and nothing else.

    Only one block of an array is in memory at a time. `skip` leaves out members of
    `source` itself.

    Raises:
        UnusableFileError: if anything else is there.
    """
    for path, item in hdf5.below(source, skip):
        if isinstance(item, GroupID):
            group = target.require_group(path)
            if (text := hdf5.text_attribute(item, "name")) is not None:
                group.attrs["name"] = text
        elif (stored := hdf5.array(source, path)) is not None:
            write_array(target, path, stored)
        else:
            raise UnusableFileError(
                f"{hdf5.full_name(item)} holds no numbers, so that it cannot be "
                f"copied. Received: {item.dtype}."
            )


def write_array(group: h5py.Group, name: str, values: Blockwise) -> None:
    """Write an array as Keras does: bfloat16 is marked by an attribute."""
    dataset = group.create_dataset(name, values.shape, values.dtype)
    for place in blocks(values.shape):
        dataset[place] = values[place]
    if values.dtype.name == "bfloat16":
        dataset.attrs["dtype"] = "bfloat16"
