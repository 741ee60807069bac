"""The legacy whole-model `.h5` of Keras 3 and of Keras 2.

Weights are grouped by the name of the outermost layer; inside, each is named by
its layer and variable, such as `bn/gamma` or `bn/gamma:0`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, ClassVar, Literal

from kerasbn.archive import hdf5
from kerasbn.archive.base import Archive, Asset, parse_json
from kerasbn.archive.hdf5_writing import write_array
from kerasbn.archive.layouts import assign, of_entry
from kerasbn.archive.probing import Stretch
from kerasbn.archive.upgrading import as_keras_format, name_layers, with_lists_wrapped
from kerasbn.config_tree import layer_entries
from kerasbn.errors import UnsupportedFormatError, UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

    import h5py

    from kerasbn.archive.hdf5 import StoredArray
    from kerasbn.config_tree import LayerEntry


class LegacyH5Archive(Archive):
    """An open legacy `.h5` model file."""

    format: ClassVar[Literal["keras", "h5"]] = "h5"

    def __init__(self, path: Path, resources: ExitStack) -> None:
        self.path = path
        self.root = resources.enter_context(
            hdf5.open_hdf5(str(path), Stretch(str(path)), path)
        )
        config = hdf5.text_attribute(self.root.id, "model_config")
        if config is None:
            raise UnsupportedFormatError(
                "The HDF5 file contains no model configuration, so it can hold weights "
                f"at most. Received: {path}. Save the whole model with "
                "model.save('model.keras')."
            )
        self.config = parse_json(config, "model_config")
        self.metadata = {}
        for name in ("keras_version", "backend"):
            if text := hdf5.text_attribute(self.root.id, name):
                self.metadata[name] = text
        if self.is_keras_2:
            self.config = with_lists_wrapped(self.config)
        else:
            self.config = as_keras_format(self.config)
        name_layers(self.config, self._layer_names())
        if training := hdf5.text_attribute(self.root.id, "training_config"):
            self.metadata["training_config"] = parse_json(training, "training_config")

    def _layer_names(self) -> list[str]:
        weights = hdf5.group(self.root.id, "model_weights")
        return (
            [] if weights is None else hdf5.text_list_attribute(weights, "layer_names")
        )

    def variables(self, path: str) -> tuple[StoredArray, ...]:
        return tuple(stored for _, stored in self._by_layer.get(path, ()))

    def parameters(self) -> int:
        weights = hdf5.group(self.root.id, "model_weights")
        return sum(map(math.prod, hdf5.shapes(weights).values())) if weights else 0

    def iterations(self) -> int | None:
        weights = hdf5.group(self.root.id, "optimizer_weights")
        if weights is None:
            return None
        counts = [
            int(stored.read())
            for name, stored in hdf5.datasets(weights)
            if name.split("/")[-1].split(":")[0] in ("iteration", "iterations", "iter")
            and stored.shape == ()
            and stored.dtype.kind in "iu"
        ]
        # Under loss scaling the outer optimizer's own count stays 0.
        return max(counts, default=None)

    def copy_layer(self, path: str, target: h5py.Group) -> None:
        named = self._by_layer.get(path, ())
        target.require_group("vars").attrs["name"] = path.split("/")[-1]
        for place, stored in self._placed(path, [name for name, _ in named]):
            write_array(target, place, named[stored][1])

    def _placed(self, path: str, names: list[str]) -> Iterator[tuple[str, int]]:
        """Yield each place in the layer's group, with the number of its stored weight.

        Raises:
            UnusableFileError: if it does not follow from class and configuration.
        """
        entry = self._entries.get(path)
        slots = None if entry is None else of_entry(entry)
        order = None if slots is None else assign(slots, names)
        if slots is not None and order is not None:
            for slot, number in zip(slots, order, strict=True):
                for place in slot.places:
                    yield place, number
            return
        inside = [name for name in names if "/" in name]
        if inside or (slots is None and len(names) > 1):
            raise UnusableFileError(
                f"The order of the weights of the layer {path!r} is not known: a "
                "legacy .h5 file does not store it, and the layer may not be Keras' "
                f"own, or not in its standard form. Received: {', '.join(names)}. Load "
                "the model with Keras, save it with model.save('model.keras'), and use "
                "that file."
            )
        for number in range(len(names)):
            yield f"vars/{number}", number

    def copy_model(self, target: h5py.Group) -> None:
        top = hdf5.group(self.root.id, "model_weights/top_level_model_weights")
        names = [] if top is None else hdf5.text_list_attribute(top, "weight_names")
        if names:
            raise UnusableFileError(
                f"The model itself owns weights ({names[0]!r}), and a legacy .h5 file "
                "does not say where they belong. Load the model with Keras, save it "
                "with model.save('model.keras'), and use that file."
            )

    def assets(self) -> Iterator[Asset]:
        return iter(())

    @cached_property
    def _entries(self) -> dict[str, LayerEntry]:
        found: dict[str, LayerEntry] = {}
        for entry in layer_entries(self.config):
            found[entry.path] = entry
            if entry.wrapped is not None:
                found[entry.wrapped.path] = entry.wrapped
        return found

    @cached_property
    def _by_layer(self) -> dict[str, list[tuple[str, StoredArray]]]:
        """Layer path -> (name within the layer, array), in stored order."""
        inside: defaultdict[str, list[str]] = defaultdict(list)
        outermost = ""
        for entry in layer_entries(self.config):
            # Up to Keras 2 a name may contain slashes, so a path is not enough.
            outermost = outermost if entry.parent else entry.path
            inside[outermost].append(entry.path)
            if entry.wrapped is not None:
                inside[outermost].append(entry.wrapped.path)
        found: defaultdict[str, list[tuple[str, StoredArray]]] = defaultdict(list)
        for outermost, paths in inside.items():
            group = hdf5.group(self.root.id, f"model_weights/{outermost}")
            if group is None:
                continue
            owners = _Owners(outermost, paths[1:])
            for name in hdf5.text_list_attribute(group, "weight_names"):
                owner, variable = owners.find(name)
                if (wrapped := self._entries[owner].wrapped) is not None:
                    owner = wrapped.path  # Keras 2 leaves out the wrapper's name.
                if (stored := hdf5.array(group, name)) is not None:
                    found[owner].append((variable, stored))
        return found


class _Owners:
    """A search for the layer of a weight, by name, below one outermost layer.

    A weight's name contains its layer's, with or without those of the models around it;
    the layer is the one whose path has the longest match.
    """

    def __init__(self, outermost: str, inner: list[str]) -> None:
        self._outermost = outermost
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        for path in inner or [outermost]:
            self._by_name[path.split("/")[-1]].append(path)

    def find(self, name: str) -> tuple[str, str]:
        """Return the path of the layer, and the variable's name within it."""
        *around, variable = name.split(":")[0].split("/")
        agreeing = [
            (_common_end(around[: place + 1], path.split("/")), -place, path)
            for place, part in enumerate(around)
            for path in self._by_name.get(part, ())
        ]
        if not agreeing:  # A layer that was renamed after its weights were made.
            return self._outermost, "/".join([*around[1:], variable])
        _, place, path = max(agreeing)
        return path, "/".join([*around[1 - place :], variable])


def _common_end(left: list[str], right: list[str]) -> int:
    """Return how many elements, counted from the end, two lists have in common."""
    pairs = zip(reversed(left), reversed(right), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
