"""Writing of `.keras` files."""

from __future__ import annotations

import json
import shutil
import zipfile
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import h5py

from kerasbn.archive.hdf5_writing import write_array
from kerasbn.archive.member_view import MemberWriter
from kerasbn.archive.members import ASSETS, CONFIG, METADATA, WEIGHTS
from kerasbn.archive.numbering import layer_groups

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kerasbn.archive.base import Archive
    from kerasbn.archive.blocks import Blockwise

_PART = 2**18


def write_archive(
    path: Path,
    source: Archive,
    config: Mapping[str, Any],
    changed: Mapping[str, Sequence[Blockwise]] = MappingProxyType({}),
    extra: Mapping[str, Blockwise] = MappingProxyType({}),
) -> None:
    """Write `config` with the weights and assets of `source`, some of them changed.

    Weights are copied block by block, under the numbers that the layers have in
    `config`, whose entries must be in the order in which Keras lists the layers of the
    loaded model. The optimizer's state is left out.

    Args:
        path: the file. It is written in place: use `replacing` of `kerasbn.writing`
            around it.
        source: the archive from which unchanged layers are copied.
        config: the model's whole configuration. Each layer has the same path as in
            `source`, or stores nothing, or is in `changed`.
        changed: layer path -> its new variables, in order.
        extra: path below the HDF5 root -> an additional array.

    Raises:
        OSError: if the disk is full or the file grows too large.
    """
    groups = layer_groups(config)
    with path.open("wb") as file, zipfile.ZipFile(file, "w") as container:
        container.writestr(METADATA, json.dumps(_metadata(source)))
        container.writestr(CONFIG, json.dumps(config))
        with container.open(WEIGHTS, "w", force_zip64=True) as member:
            # HDF5 writes here and there, `zipfile` from start to end. So HDF5 writes
            # first, in the final place, and then `zipfile` writes the same bytes again,
            # which gives it the checksum and costs no disk space.
            file.flush()
            with path.open("r+b", buffering=0) as place:
                weights = MemberWriter(place, start=file.tell())
                _write_weights(weights, source, groups, changed, extra)
                weights.seek(0)
                part = memoryview(bytearray(_PART))
                while count := weights.readinto(part):
                    member.write(part[:count])
        _write_assets(container, source, groups)


def _metadata(source: Archive) -> dict[str, Any]:
    return {
        key: value
        for key, value in source.metadata.items()
        if key in ("keras_version", "date_saved")
    }


def _write_weights(
    file: MemberWriter,
    source: Archive,
    groups: Mapping[str, str],
    changed: Mapping[str, Sequence[Blockwise]],
    extra: Mapping[str, Blockwise],
) -> None:
    try:
        with h5py.File(file, "w") as root:
            source.copy_model(root)
            for path, group in groups.items():
                target = root.require_group(group)
                if path in changed:
                    _write_layer(target, path, changed[path])
                else:
                    source.copy_layer(path, target)
                file.check()
            for name, values in extra.items():
                write_array(root, name, values)
    finally:  # An error of HDF5 may only be the consequence of a failed write.
        file.check()


def _write_layer(target: h5py.Group, path: str, arrays: Sequence[Blockwise]) -> None:
    variables = target.require_group("vars")
    variables.attrs["name"] = path.split("/")[-1]
    for number, values in enumerate(arrays):
        write_array(variables, str(number), values)


def _write_assets(
    container: zipfile.ZipFile, source: Archive, groups: Mapping[str, str]
) -> None:
    for layer, name, file in source.assets():
        group = groups.get(layer, "")
        place = f"{ASSETS}{group}/{name}" if group else f"{ASSETS}{name}"
        with container.open(place, "w", force_zip64=True) as target:
            shutil.copyfileobj(file, target, _PART)
