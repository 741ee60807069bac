"""Data from an `.npz` file, which may come from anyone."""

from __future__ import annotations

import zipfile
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_MOST_BYTES = 4 * 2**30
_MOST_ARRAYS = 64
_WANTED = (
    "Write it with numpy.savez(file, x=x, y=y); for a model with several inputs or "
    "outputs, use their names."
)


def read_npz(
    path: Path, inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[Any, Any, Any]:
    """Read the inputs, targets and sample weights in a file.

    Arrays are named `x`, `y` and `sample_weight`, or by the model's inputs and outputs;
    without names (`arr_0`, `arr_1`) they are `x` and `y`.

    Args:
        path: the file. Nothing in it is unpickled, and its sizes are checked first.
        inputs: the names of the model's inputs; none if it has no graph, and arrays
            of any names may be its inputs.
        outputs: the names of its outputs.

    Raises:
        UsageError: if the file is of another kind, too large, or has other arrays.
    """
    arrays = _arrays(path)
    if "arr_0" in arrays:
        named = ("x", "y", "sample_weight")
        arrays = {
            named[i]: arrays[key]
            for i, key in enumerate(("arr_0", "arr_1", "arr_2"))
            if key in arrays
        }
    x = _taken(arrays, "x", inputs)
    y = _taken(arrays, "y", outputs)
    weight = arrays.pop("sample_weight", None)
    if x is None and not inputs and arrays:
        x, arrays = arrays, {}
    if x is None or arrays:
        names = ", ".join([*arrays, *(["no x"] if x is None else [])])
        raise UsageError(
            "The data do not fit the model, whose inputs are "
            f"{', '.join(inputs) or 'not known'}. Received: {path} with {names}. "
            f"{_WANTED}"
        )
    return x, y, weight


def _taken(arrays: dict[str, Any], name: str, parts: Sequence[str]) -> Any:
    """Take the array of that name, or a dictionary of arrays named as the parts."""
    if name in arrays:
        return arrays.pop(name)
    if parts and all(part in arrays for part in parts):
        found = {part: arrays.pop(part) for part in parts}
        return found if len(found) > 1 else found[parts[0]]
    return None


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        if not path.is_file():
            raise UsageError(f"The data file does not exist. Received: {path}.")
        with zipfile.ZipFile(path) as archive:
            return dict(_read(path, archive))
    except zipfile.BadZipFile as error:
        raise UsageError(
            f"The data are not an .npz file: {error}. Received: {path}. {_WANTED}"
        ) from error
    except OSError as error:
        raise UsageError(
            f"The data cannot be read: {error.strerror or error}. Received: {path}."
        ) from error
    except (ValueError, EOFError, RuntimeError, NotImplementedError) as error:
        raise UsageError(
            f"The data are damaged or hold objects: {error}. Received: {path}. "
            f"{_WANTED}"
        ) from error


def _read(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, NDArray[Any]]]:
    members = archive.infolist()
    total = sum(info.file_size for info in members)
    if len(members) > _MOST_ARRAYS or total > _MOST_BYTES:
        raise UsageError(
            f"The data are too large: the limit is {_MOST_ARRAYS} arrays of "
            f"{_MOST_BYTES / 2**30:g} GiB in total. Received: {path} with "
            f"{len(members)} arrays of {total / 2**30:.3g} GiB. A thousand samples are "
            "enough for a diagnosis."
        )
    for member in members:
        with archive.open(member) as file:
            _check_header(path, member, file)
        with archive.open(member) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
        yield member.filename.removesuffix(".npy"), array


def _check_header(path: Path, member: zipfile.ZipInfo, file: Any) -> None:
    """Refuse an array that claims to be larger than its stored data."""
    version = np.lib.format.read_magic(file)
    readers: Mapping[tuple[int, int], Any] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise UsageError(
            f"An array has an unknown format. Received: {member.filename} of version "
            f"{version} in {path}. {_WANTED}"
        )
    shape, _, dtype = readers[version](file)
    if not dtype.hasobject and prod(shape) * dtype.itemsize > member.file_size:
        raise UsageError(
            f"The data are damaged: the array {member.filename} claims to have shape "
            f"{shape}, which is more than is stored. Received: {path}."
        )
