"""Writing a `.keras` file, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from kerasbn.archive import hdf5
from kerasbn.archive.keras_format import ASSETS, CONFIG, METADATA, WEIGHTS
from kerasbn.archive.numbering import layer_groups
from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from kerasbn.archive.base import Archive


def write_archive(
    path: Path,
    source: Archive,
    config: Mapping[str, Any],
    changed: Mapping[str, Sequence[NDArray[Any]]] = MappingProxyType({}),
    extra: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> None:
    """Write `config` with the weights and assets of `source`, some of them changed.

    Weights are copied array by array, under the numbers that the layers have in
    `config`, whose entries must stand in the order in which Keras lists the layers
    of the loaded model. The optimizer's state is left out.

    Args:
        path: the file. It is written in place: use `replacing` around it.
        source: where layers that did not change are copied from.
        config: the model's whole configuration. Each layer has the path that it has
            in `source`, or stores nothing, or is in `changed`.
        changed: layer path -> its new variables, in order.
        extra: path below the HDF5 root -> a further array.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".kerasbn-") as folder:
        weights = Path(folder) / WEIGHTS
        with h5py.File(weights, "w") as file:
            _write_weights(file, source, layer_groups(config), changed)
            for name, values in extra.items():
                hdf5.write_array(file, name, values)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as container:
            container.writestr(METADATA, json.dumps(_metadata(source)))
            container.writestr(CONFIG, json.dumps(config))
            container.write(weights, WEIGHTS)
            _write_assets(container, source, layer_groups(config))


@contextmanager
def replacing(destination: Path) -> Iterator[Path]:
    """A temporary file beside `destination`, renamed to it when all went well.

    Raises:
        UnusableFileError: if the folder or the disk does not take it.
    """
    try:
        destination = destination.resolve()  # A link stays one.
        with tempfile.NamedTemporaryFile(
            dir=destination.parent,
            prefix=".kerasbn-",
            suffix=destination.suffix,
            delete=False,
        ) as file:
            temporary = Path(file.name)
        try:
            yield temporary
            temporary.chmod(_usual_mode())
            temporary.replace(destination)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UnusableFileError(
            f"The file cannot be written: {error.strerror or error}. Received: "
            f"{destination}. Nothing was written; choose another place."
        ) from error


def _usual_mode() -> int:
    """The mode of a new file here; temporary files are private to their owner."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _metadata(source: Archive) -> dict[str, Any]:
    return {
        key: value
        for key, value in source.metadata.items()
        if key in ("keras_version", "date_saved")
    }


def _write_weights(
    file: h5py.File,
    source: Archive,
    groups: Mapping[str, str],
    changed: Mapping[str, Sequence[NDArray[Any]]],
) -> None:
    source.copy_model(file)
    for path, group in groups.items():
        target = file.require_group(group)
        if path not in changed:
            source.copy_layer(path, target)
            continue
        variables = target.require_group("vars")
        variables.attrs["name"] = path.split("/")[-1]
        for number, values in enumerate(changed[path]):
            hdf5.write_array(variables, str(number), np.asarray(values))


def _write_assets(
    container: zipfile.ZipFile, source: Archive, groups: Mapping[str, str]
) -> None:
    for layer, name, file in source.assets():
        group = groups.get(layer, "")
        place = f"{ASSETS}{group}/{name}" if group else f"{ASSETS}{name}"
        with container.open(place, "w", force_zip64=True) as target:
            shutil.copyfileobj(file, target, 2**20)
