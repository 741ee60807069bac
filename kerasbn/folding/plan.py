"""Which BN goes into which layer, and why each of the others stays.

Before:  x -> linear layer -> BN -> …          After:  x -> linear layer' -> …

A BN is folded backward, into the layer that it reads, when all of this holds:

1. BN is called once, not in training mode, and its weights are there and finite.
2. It reads a linear layer: a class of `ABSORBERS` with linear activation.
3. That layer is called once, and nothing but the BN reads its output.
4. BN keeps only axes along which that layer has weights of its own.
5. Both compute in the same dtype; the layer is not quantised, has no LoRA weights
   and no constraints.

A BN that reads a folded BN reads, in effect, what that one was folded into.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.errors import UnusableFileError
from kerasbn.folding.absorb import ABSORBERS, has_bias, output_axes
from kerasbn.folding.affine import Affine, batch_norm_affine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kerasbn.archive import Archive
    from kerasbn.graph import Graph, Layer, Node, Tensor

_PLAIN_DTYPES = [
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "mixed_float16",
    "mixed_bfloat16",
]


@dataclass(frozen=True)
class Fold:
    """A BN that can go, and the layer that takes it in."""

    batch_norm: Layer
    into: Layer
    axes: tuple[int, ...]

    def affine(self, archive: Archive) -> Affine:
        """What the BN does, read from the file."""
        return read_affine(self.batch_norm, archive, self.axes)


@dataclass(frozen=True)
class Kept:
    """A BN that stays, and why."""

    batch_norm: Layer
    reason: str


@dataclass(frozen=True)
class Plan:
    """What becomes of each BN of a model, in the order of the graph."""

    folds: tuple[Fold, ...]
    kept: tuple[Kept, ...]


class _Obstacle(Exception):  # noqa: N818 - it is control flow, not an error
    """Why a BN stays."""


def make_plan(graph: Graph, archive: Archive) -> Plan:
    """Decide about every BN that the graph shows, at any depth.

    Args:
        graph: the outermost model's.
        archive: the file that it was read from.

    Raises:
        UnusableFileError: if a BN's weights are not in the file.
    """
    folds: dict[str, Fold] = {}
    kept: list[Kept] = []
    for level, forced in _levels(graph, training=False):
        for layer in level.layers.values():
            if not layer.is_batch_norm:
                continue
            try:
                folds[layer.path] = _fold(layer, level, forced, folds, archive)
            except _Obstacle as obstacle:
                kept.append(Kept(layer, str(obstacle)))
    return Plan(tuple(folds.values()), tuple(kept))


def _levels(graph: Graph, training: bool) -> Iterator[tuple[Graph, bool]]:
    """Every model once, and whether a call of it demands training mode."""
    yield graph, training
    for layer in graph.layers.values():
        if layer.graph is not None:
            demanded = any(_demands_training(node) for node in graph.calls(layer))
            yield from _levels(layer.graph, training or demanded)


def _fold(
    batch_norm: Layer,
    graph: Graph,
    forced: bool,
    folds: Mapping[str, Fold],
    archive: Archive,
) -> Fold:
    """The way for one BN to go, or an obstacle."""
    call = _single_call(batch_norm, graph)
    if forced or _demands_training(call):
        raise _Obstacle("called with training=True, so it uses batch statistics")
    source = _source(call, graph, folds)
    _check_source(source, graph)
    axes = _kept_axes(batch_norm, source, call)
    _check_dtypes(batch_norm, source.layer)
    _check_weights(source.layer, archive)
    if not read_affine(batch_norm, archive, axes).is_finite:
        raise _Obstacle("its statistics are not finite or its variance is negative")
    return Fold(batch_norm, source.layer, axes)


def _demands_training(call: Node) -> bool:
    """Whether a call may run in training mode at inference; a tensor may say so."""
    return call.kwargs.get("training") not in (None, False)


def _single_call(layer: Layer, graph: Graph) -> Node:
    calls = graph.calls(layer)
    if len(calls) != 1:
        raise _Obstacle(f"called {len(calls)} times")
    return calls[0]


def _source(call: Node, graph: Graph, folds: Mapping[str, Fold]) -> Node:
    """The call that a BN reads, seen through BN that have gone."""
    tensor = call.inputs[0]
    while True:
        _check_only_reader(tensor, graph)
        node = graph.producer(tensor)
        if node is None or node.layer.class_name == "InputLayer":
            inside = f" `{graph.path}`" if graph.path else ""
            raise _Obstacle(f"reads an input of the model{inside}")
        if node.layer.path not in folds:
            return node
        tensor = node.inputs[0]


def _check_only_reader(tensor: Tensor, graph: Graph) -> None:
    readers = graph.consumers[tensor]
    if len(readers) > 1:
        names = ", ".join(sorted({f"`{node.layer.name}`" for node in readers}))
        raise _Obstacle(f"`{tensor.layer}` is read {len(readers)} times, by {names}")
    if tensor in graph.outputs:
        raise _Obstacle(f"`{tensor.layer}` is an output of the model, too")


def _check_source(source: Node, graph: Graph) -> None:
    layer = source.layer
    if layer.kind not in ABSORBERS:
        raise _Obstacle(f"reads {_described(layer)}, which cannot take it in")
    if (activation := _activation(layer.config)) != "linear":
        raise _Obstacle(f"`{layer.name}` has the activation {activation}")
    if (count := len(graph.calls(layer))) != 1:
        raise _Obstacle(f"`{layer.name}` is called {count} times with the same weights")
    for key, value in layer.config.items():
        if key.endswith("_constraint") and value is not None:
            raise _Obstacle(f"`{layer.name}` has a {key}")
    if layer.config.get("lora_rank") or layer.config.get("lora_enabled"):
        raise _Obstacle(f"`{layer.name}` has LoRA weights")
    if holder := graph.held_inside.get(layer.name):
        raise _Obstacle(f"`{layer.name}` may be part of `{holder}`, too")


def _described(layer: Layer) -> str:
    if layer.entry.is_operator:
        return f"the operator {layer.class_name} `{layer.name}`"
    if layer.graph is not None:
        return f"the nested model `{layer.name}`"
    custom = "" if layer.kind else "the custom layer "
    return f"{custom}{layer.class_name} `{layer.name}`"


def _activation(config: Mapping[str, Any]) -> str:
    value = config.get("activation")
    if isinstance(value, dict):  # A function or an object of its own.
        inner = value.get("config")
        value = inner if isinstance(inner, str) else value.get("class_name")
    return "linear" if value is None else str(value)


def _kept_axes(batch_norm: Layer, source: Node, call: Node) -> tuple[int, ...]:
    """The axes that BN keeps, from the end, if the source has weights along them."""
    kind = str(source.layer.kind)
    spatial = ABSORBERS[kind].spatial
    if spatial is not None:
        rank: int | None = spatial + 2
    else:
        rank = None if call.input_shape is None else len(call.input_shape)
    value = batch_norm.config["axis"]
    axes = []
    for axis in value if isinstance(value, list) else [value]:
        if axis >= 0 and rank is None:
            raise _Obstacle(f"axis={axis}, but the rank of its input is not known")
        axes.append(axis if axis < 0 else axis - (rank or 0))
    own = output_axes(kind, source.layer.config)
    if not set(axes) <= set(own):
        raise _Obstacle(
            f"axis={value} is not where `{source.layer.name}` has weights of its own"
        )
    return tuple(sorted(axes))


def _check_dtypes(batch_norm: Layer, into: Layer) -> None:
    policies = {layer.name: dtype_policy(layer.config) for layer in (into, batch_norm)}
    for name, policy in policies.items():
        if policy not in _PLAIN_DTYPES:
            raise _Obstacle(f"`{name}` has the dtype policy {policy}")
    if len({policy.removeprefix("mixed_") for policy in policies.values()}) > 1:
        raise _Obstacle(
            f"computes in {policies[batch_norm.name]}, but `{into.name}` in "
            f"{policies[into.name]}"
        )


def dtype_policy(config: Mapping[str, Any]) -> str:
    """The name of a layer's dtype policy."""
    value = config.get("dtype")
    if isinstance(value, dict):
        inner = value.get("config")
        name = inner.get("name") if isinstance(inner, dict) else None
        plain = value.get("class_name") in ("DTypePolicy", "FloatDTypePolicy")
        value = name if plain else value.get("class_name")
    return "float32" if value is None else str(value)


def _check_weights(layer: Layer, archive: Archive) -> None:
    kind = str(layer.kind)
    expected = ABSORBERS[kind].kernels + has_bias(kind, layer.config)
    stored = archive.variables(layer.path)
    if not stored:
        raise _missing(layer)
    if len(stored) != expected:
        raise _Obstacle(f"`{layer.name}` stores {len(stored)} arrays, not {expected}")
    if any(variable.dtype.kind in "iub" for variable in stored):
        raise _Obstacle(f"`{layer.name}` is quantised: it stores integers")


def read_affine(batch_norm: Layer, archive: Archive, axes: tuple[int, ...]) -> Affine:
    """What a BN layer does at inference, from its weights in the file.

    Raises:
        UnusableFileError: if they are not there or not of one shape.
    """
    names = batch_norm.batch_norm_variables
    stored = archive.variables(batch_norm.path)
    if not stored:
        raise _missing(batch_norm)
    if len(stored) != len(names) or len({variable.shape for variable in stored}) > 1:
        raise UnusableFileError(
            f"The BN layer `{batch_norm.path}` should store {', '.join(names)}, all of "
            f"one shape. Received: shapes {[v.shape for v in stored]}. The file is "
            "damaged; save the model again."
        )
    variables = {
        name: np.asarray(variable.read())
        for name, variable in zip(names, stored, strict=True)
        if name in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    return batch_norm_affine(batch_norm.config, variables, axes)


def _missing(layer: Layer) -> UnusableFileError:
    return UnusableFileError(
        f"The file holds no weights for the layer `{layer.path}`. Either the model was "
        "saved before it was built, or the layer is shared between two nested models, "
        "which Keras stores once and cannot load again. Build the model, or give each "
        "nested model a layer of its own, and save it again."
    )
