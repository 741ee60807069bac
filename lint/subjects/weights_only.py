"""BN layers of which a file holds only the weights.

A custom model or layer is code, and its configuration does not list the layers inside.
Their weights are stored nevertheless, in groups that suffice to recognise batch
normalization, but without the layer's momentum or whether it is frozen.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from h5py.h5g import GroupID

from kerasbn.archive.hdf5 import (
    array,
    child,
    group,
    names,
    text_attribute,
    text_list_attribute,
)

from .model import BatchNorm, Statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kerasbn.archive import Archive, StoredArray
    from kerasbn.graph import Layer

# Keras' own name for such a layer, or for its group in a list.
_USUAL_NAME = re.compile(r"(^|/)batch_normalization(_\d+)?$")
_NOT_LAYERS = {"optimizer", "metrics"}
_DEEPEST = 32
_ORDER = ("gamma", "beta", "moving_mean", "moving_variance")
_AFFINE, _STATISTICS = set(_ORDER[:2]), set(_ORDER[2:])


def find_batch_norms(archive: Archive) -> Iterator[BatchNorm]:
    """Yield the BN layers of a model without a graph."""
    if archive.format == "keras":  # Legacy files cannot hold such a model.
        yield from _below(archive.root.id, "", "", archive.keras_version)


def batch_norms_of_weights(root: GroupID) -> Iterator[BatchNorm]:
    """Yield the BN layers in a file of weights alone, in either of Keras' layouts."""
    layers = text_list_attribute(root, "layer_names")
    for name in layers:  # Keras 2 has the list, and the layout of a legacy file.
        if (stored := child(root, name)) is not None and isinstance(stored, GroupID):
            for layer, arrays in _arrays_by_layer(stored).items():
                around = "" if f"{layer}/".startswith(f"{name}/") else f"{name}/"
                if found := _named(f"{around}{layer}", arrays, False):
                    yield found
    if not layers:
        yield from _below(root, "", "", None)


def batch_norms_in_group(
    archive: Archive, place: str | None, path: str, frozen: bool
) -> Iterator[BatchNorm]:
    """Yield the BN layers inside an opaque layer of a graph, or the layer if it is one.

    Args:
        archive: the file.
        place: the path of the layer's group, if it has one.
        path: the layer's path.
        frozen: whether the layer or a model around it has `trainable=False`.
    """
    if archive.format != "keras":
        yield from _by_names(archive, path, frozen)
        return
    if place is None:
        return
    if (own_group := child(archive.root.id, place)) is not None:
        is_group = isinstance(own_group, GroupID)
        variables = child(own_group, "vars") if is_group else None
        own = variables and _statistics_reader(variables, place)
        if own:  # A subclass of batch normalization itself.
            yield BatchNorm(path, {}, frozen, (), own)
        for found in _below(own_group, path, "", archive.keras_version):
            yield replace(found, frozen=frozen)


def _by_names(archive: Archive, path: str, frozen: bool) -> Iterator[BatchNorm]:
    """Yield the BN layers inside a layer of a legacy file, by the names of weights.

    It keeps the weights of all layers inside in one list: `block/bn/moving_mean`.
    """
    stored = group(archive.root.id, f"model_weights/{path}")
    if stored is None:
        return
    for layer, arrays in _arrays_by_layer(stored).items():
        # Around the layer stand the models it was built in, or itself once more.
        inner = layer.rpartition(f"{path}/")[2] or layer
        if "/" in layer and (found := _named(f"{path}/{inner}", arrays, frozen)):
            yield found


def _arrays_by_layer(stored: GroupID) -> dict[str, dict[str, StoredArray]]:
    """Return the arrays of a legacy group, by the name of their layer and their own."""
    found: dict[str, dict[str, StoredArray]] = {}
    for name in text_list_attribute(stored, "weight_names"):
        layer, _, variable = name.partition(":")[0].rpartition("/")
        if (values := array(stored, name)) is not None:
            found.setdefault(layer, {})[variable] = values
    return found


def _named(path: str, arrays: dict[str, StoredArray], frozen: bool) -> BatchNorm | None:
    """Return the BN layer with these arrays; None if they are of another kind."""
    if not _STATISTICS <= arrays.keys() <= _STATISTICS | _AFFINE:
        return None
    reader = _reader([arrays[name] for name in _ORDER if name in arrays])
    return BatchNorm(path, {}, frozen, (), reader)


def is_opaque(layer: Layer) -> bool:
    """Whether it may hold layers that the graph does not show."""
    if layer.graph is not None or layer.is_batch_norm:
        return False
    return layer.kind is None or "layer" in layer.config  # Such as TimeDistributed.


def _below(
    group: GroupID | None, path: str, place: str, keras_version: str | None
) -> Iterator[BatchNorm]:
    """Yield the BN layers below a group.

    Args:
        group: the group.
        path: the path of the layer that the group belongs to.
        place: the group's path in the file, relative to the start of the search.
        keras_version: the version that wrote the file.
    """
    if place.count("/") > _DEEPEST or not isinstance(group, GroupID):
        return
    for name in names(group):
        if name == "vars" or (not place and name in _NOT_LAYERS):
            continue
        if not place and name == "layers" and (keras_version or "").startswith("2"):
            continue  # Keras 2 stores attributes a second time there.
        below = child(group, name)
        variables = None if below is None else child(below, "vars")
        below_place = f"{place}/{name}"
        if variables is None:  # A list or dictionary of layers.
            yield from _below(below, path, below_place, keras_version)
            continue
        own_name = text_attribute(variables, "name") or name
        below_path = f"{path}/{own_name}" if path else own_name
        if (read := _statistics_reader(variables, own_name, name)) is not None:
            yield BatchNorm(below_path, {}, False, (), read)
        yield from _below(below, below_path, below_place, keras_version)


def _statistics_reader(
    variables: GroupID, *names: str
) -> Callable[[], Statistics] | None:
    """Return a reader of the arrays if they can only be those of a BN layer."""
    stored: list[StoredArray] = []
    while (found := array(variables, str(len(stored)))) is not None:
        stored.append(found)
    if not 2 <= len(stored) <= 4 or len({variable.shape for variable in stored}) > 1:
        return None
    named = any(_USUAL_NAME.search(name) for name in names)
    if not named and (len(stored) < 4 or (stored[-1].read() < 0).any()):
        return None

    return _reader(stored)


def _reader(stored: list[StoredArray]) -> Callable[[], Statistics]:
    """Return a reader of the arrays, in Keras' order."""

    @cache  # Several rules ask.
    def read() -> Statistics:
        arrays = [variable.read() for variable in stored]
        gamma, beta = arrays[:2] if len(arrays) == 4 else (None, None)
        return Statistics(arrays[-2], arrays[-1], gamma, beta)

    return read
