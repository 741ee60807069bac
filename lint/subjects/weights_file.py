"""A file of weights alone, from `save_weights`, as a `Model` without a graph."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kerasbn.archive.hdf5 import open_hdf5
from kerasbn.archive.keras_format import steps_stored
from kerasbn.archive.probing import Stretch

from .model import Model
from .weights_only import batch_norms_of_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HDF5 = b"\x89HDF\r\n\x1a\n"


def may_be_weights(path: Path) -> bool:
    """Whether a file that holds no model may hold weights."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_HDF5)) == _HDF5


@contextmanager
def open_weights(path: Path) -> Iterator[Model]:
    """Open the weights in a file, for as long as it is open.

    Their batch normalization layers are known by their arrays alone: without momentum,
    and without whether they are frozen.

    Raises:
        UnusableFileError: if the file is damaged or hostile.
    """
    with open_hdf5(str(path), Stretch(str(path)), path) as root:
        yield Model(
            path=str(path),
            keras_version=None,
            batch_norms=tuple(batch_norms_of_weights(root.id)),
            iterations=steps_stored(root.id),
        )
