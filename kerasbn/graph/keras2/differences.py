"""Differences between a model of Keras 2 and the same layers in Keras 3.

These are differences that lie not in a layer's class or arguments, but in the backend
or the version of TensorFlow beneath.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kerasbn.graph.model import Graph

_KNOWN_FROM = (2, 3)  # `2.3.0-tf` came with TensorFlow 2.2.


def differences(graph: Graph, version: str) -> list[str]:
    """Describe anything that is not known from the file, or differs by the version.

    Args:
        graph: the graph of the model as Keras 2 wrote it.
        version: the version of Keras that wrote it.
    """
    notes = []
    if not _has_half_pixels(version):
        # tf.compat.v1.image.resize_bilinear put the first pixels of both images upon
        # each other; TensorFlow 2 and Keras 3 align their edges.
        names = [
            f"`{layer.path}`"
            for layer in graph.walk()
            if layer.config.get("interpolation") == "bilinear"
        ]
        if names:
            notes.append(
                f"{_several(names)} scales bilinearly, in which TensorFlow 1 differed "
                f"from Keras 3, and a file of Keras {version} does not say which "
                "TensorFlow it was written with: compare some outputs"
            )
    trained = {
        f"`{node.layer.path}`": None
        for inner_graph in graph.graphs()
        for node in inner_graph.nodes
        if node.training is True
    }
    if trained:
        notes.append(
            f"{_several(list(trained))} is called with training=True, which Keras 2 "
            "always obeys, but Keras 3 up to 3.15 ignores in fit and predict"
        )
    return notes


def turned_around(graph: Graph) -> str | None:
    """Return the path of a layer whose kernel Theano stores flipped; None if none is.

    Its convolutions flip their kernels along all spatial axes, those of TensorFlow do
    not.
    """
    for layer in graph.walk():
        if layer.graph is None and any(map(_has_extent, _entries(layer.entry.raw))):
            return layer.path
    return None


def _has_half_pixels(version: str) -> bool:
    found = re.match(r"(\d+)\.(\d+)", version)
    numbers = tuple(map(int, found.groups())) if found else (0, 0)
    return numbers > _KNOWN_FROM or (numbers == _KNOWN_FROM and version.endswith("-tf"))


def _has_extent(entry: Mapping[str, Any]) -> bool:
    """Whether it is a convolution with a kernel larger than 1."""
    size = entry["config"].get("kernel_size")
    sizes = size if isinstance(size, list) else [size]
    return "Conv" in str(entry.get("class_name")) and any(
        length != 1 for length in sizes
    )


def _entries(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the entry of a layer and of those inside it."""
    config = entry.get("config")
    if isinstance(config, dict):
        yield entry
        for value in config.values():
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    yield from _entries(inner)


def _several(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"each of {', '.join(names)}"
