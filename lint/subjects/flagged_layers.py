"""BN layers of a model graph that are called with a constant `training`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kerasbn.graph import Graph

    from .model import Behaviour, Model


@dataclass(frozen=True)
class FlaggedLayer:
    """A BN layer, or a nested model with BN, that a graph calls with a flag.

    Attributes:
        path: its path.
        value: the flag.
        is_layer: whether it is itself a BN layer.
    """

    path: str
    value: bool
    is_layer: bool


def flagged_layers(model: Model) -> Iterator[FlaggedLayer]:
    """Yield each flagged layer that is not frozen, each flag once."""
    for layer in model.batch_norms:
        for flag in dict.fromkeys(layer.training_flags):
            if flag is not None and not layer.frozen:
                yield FlaggedLayer(layer.path, flag, is_layer=True)
    if model.graph is not None:
        moving = [layer.path for layer in model.batch_norms if not layer.frozen]
        yield from _nested(model.graph, moving)


def unflagged_behaviours(model: Model) -> Iterator[tuple[str, Behaviour]]:
    """Yield the behaviour of each layer when a live model was run, with its path.

    Layers that the graph calls with a flag are left out, since that is reported itself.
    """
    probe = model.probe()
    if probe is not None:
        flagged = {layer.path for layer in flagged_layers(model)}
        for path, behaviour in probe.behaviours.items():
            if not any(
                f"{path}/".startswith(f"{flagged_path}/") for flagged_path in flagged
            ):
                yield path, behaviour


def _nested(outermost: Graph, moving: list[str]) -> Iterator[FlaggedLayer]:
    for graph in outermost.graphs():
        found: dict[tuple[str, bool], None] = {}
        for node in graph.nodes:
            flag = node.kwargs.get("training")
            if node.layer.graph is not None and isinstance(flag, bool):
                found[node.layer.path, flag] = None
        for path, flag in found:
            if any(moving_path.startswith(path + "/") for moving_path in moving):
                yield FlaggedLayer(path, flag, is_layer=False)
