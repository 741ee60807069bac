"""The `.keras` format: configuration, weights and assets, zipped or in a folder."""

from __future__ import annotations

import math
import re
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
)

from kerasbn.archive import hdf5, hdf5_writing
from kerasbn.archive.base import Archive, Asset, parse_json
from kerasbn.archive.members import ASSETS, CONFIG, METADATA, WEIGHTS
from kerasbn.archive.numbering import Step, group_steps, layer_groups
from kerasbn.archive.upgrading import name_layers
from kerasbn.config_tree import layer_entries
from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    import h5py
    from h5py.h5g import GroupID

    from kerasbn.archive.hdf5 import StoredArray
    from kerasbn.archive.members import Members

_NO_WEIGHTS = ("optimizer", "metrics")
# The weight that our running statistics have collected, which Keras does not count, and
# a kernel that Keras stores a second time with the layer around its owner.
_NOT_COUNTED = re.compile(
    r"/moving_weight/vars/0$|/spectral_normalization(_\d+)?/vars/0$"
)


class KerasArchive(Archive):
    """An open `.keras` model, zipped or not; files that it opens go into `resources`.

    With `own`, this process wrote it.
    """

    format: ClassVar[Literal["keras", "h5"]] = "keras"

    def __init__(
        self, members: Members, resources: ExitStack, *, own: bool = False
    ) -> None:
        self.path = members.path
        self._members = members
        self.config = parse_json(members.read(CONFIG), CONFIG)
        name_layers(self.config)
        has_metadata = METADATA in members.names()
        self.metadata = (
            parse_json(members.read(METADATA), METADATA) if has_metadata else {}
        )
        weights, place = members.open_weights(WEIGHTS, resources)
        self.root = resources.enter_context(
            hdf5.open_hdf5(weights, place, members.path, own=own)
        )
        # Cached look-ups, each of which takes longer than reading a small array.
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
        return steps_stored(self.root.id)

    def copy_layer(self, path: str, target: h5py.Group) -> None:
        place = self._place(path)
        group = None if place is None else self._open_group(place)
        if group is not None:
            hdf5_writing.copy(group, target, skip=self._apart.get(path, ()))

    def copy_model(self, target: h5py.Group) -> None:
        hdf5_writing.copy(self.root.id, target, skip=("layers", *_NO_WEIGHTS))

    def assets(self) -> Iterator[Asset]:
        owners = {group: path for path, group in layer_groups(self.config).items()}
        for member in self._members.assets():
            group, name = _split_asset(member, owners)
            with self._members.open(member) as file:
                yield Asset(owners.get(group, ""), name, file)

    @cached_property
    def _apart(self) -> dict[str, tuple[str, ...]]:
        """Layer path -> members of its group with paths of their own, copied apart."""
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
        """Return the layer's group, by its number and checked against its name."""
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
        # The numbers disagree, as after a custom operation that is not a layer. Since
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


def steps_stored(root: GroupID) -> int | None:
    """Return the steps of the optimizer that is stored with weights; None without."""
    # Under loss scaling the outer optimizer's own count stays 0.
    for optimizer in ("optimizer/inner_optimizer", "optimizer"):
        stored = hdf5.array(root, f"{optimizer}/vars/0")
        if stored is not None and stored.shape == () and stored.dtype.kind in "iu":
            return int(stored.read())
    return None


def _split_asset(filename: str, owners: dict[str, Any]) -> tuple[str, str]:
    """Split an asset's name into (group, name within it), by the longest group."""
    parts = filename.removeprefix(ASSETS).split("/")
    if any(part in ("", ".", "..") or "\\" in part for part in parts):
        raise UnusableFileError(
            f"An asset's name must stay inside the archive. Received: {filename!r}."
        )
    for cut in range(len(parts) - 1, 0, -1):
        if (group := "/".join(parts[:cut])) in owners:
            return group, "/".join(parts[cut:])
    return "", "/".join(parts)
