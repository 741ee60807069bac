"""Layers that default to training mode, and pass it on to later layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..semantics import AUGMENTATION_LEAKS, RESIZING_LEAKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kerasbn.graph import Graph, Layer, Node

    from ..semantics import KerasVersion
    from .model import Model

_RANDOM = re.compile(r"Random[A-Z]\w*|RandAugment|AugMix|MixUp|CutMix")
NOT_RANDOM = (
    *("Resizing", "CenterCrop", "AutoContrast", "Solarization", "Equalization"),
    *("MaxNumBoundingBoxes", "Pipeline"),
)
"""The layers that have such a default, though they do the same to all images."""


def is_random(class_name: str) -> bool:
    """Whether the layer of that name augments its input."""
    return _RANDOM.fullmatch(class_name) is not None


def leaks_training(class_name: str, keras: KerasVersion) -> bool:
    """Whether the Keras layer of that name has such a default."""
    if is_random(class_name):
        return keras.has(AUGMENTATION_LEAKS)
    return class_name in NOT_RANDOM and keras.has(RESIZING_LEAKS)


def leaking_layer(model: Model, keras: KerasVersion) -> Layer | None:
    """Return the first such layer whose output leads to BN that is not frozen."""
    if model.graph is None:
        return None
    moving = {layer.path for layer in model.batch_norms if not layer.frozen}
    for graph in model.graph.graphs():
        for node in graph.nodes:
            layer = _leaking(node, keras)
            if layer is not None and _leads_to(graph, node, moving):
                return layer
    return None


def _leaking(node: Node, keras: KerasVersion) -> Layer | None:
    """Return the called layer, or one in a called model, if it is such a layer."""
    if node.training is False:
        return None
    inside: Iterable[Layer] = [node.layer]
    if node.layer.graph is not None:
        inside = node.layer.graph.walk()
    for layer in inside:
        if layer.kind is not None and leaks_training(layer.kind, keras):
            return layer
    return None


def _leads_to(graph: Graph, node: Node, moving: set[str]) -> bool:
    """Whether the output of a call leads to one of these layers."""
    pending, seen = [node], {node}
    while pending:
        current = pending.pop()
        for tensor, consumers in graph.consumers.items():
            if tensor[:2] != current.output[:2]:
                continue
            for consumer in consumers:
                path = consumer.layer.path
                if any(one == path or one.startswith(path + "/") for one in moving):
                    return True
                if consumer not in seen:
                    seen.add(consumer)
                    pending.append(consumer)
    return False
