"""The conditions for a BN to go, and for a layer to absorb it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.errors import UnusableFileError
from kerasbn.folding.absorb import ABSORBERS
from kerasbn.folding.affine import (
    IDENTITY,
    Affine,
    along,
    batch_norm_affine,
    epsilon_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from kerasbn.archive import Archive
    from kerasbn.folding.absorb.base import Side
    from kerasbn.folding.affine import Float64
    from kerasbn.graph import Call, Flow, Layer, LayerEntry

_PLAIN_DTYPES = [
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "mixed_float16",
    "mixed_bfloat16",
]


# How much |beta| may exceed |gamma| if a map has to be undone: two of the seven
# decimal digits of float32.
_MAX_SQUEEZE = 100


class Obstacle(Exception):  # noqa: N818 - it is control flow, not an error
    """A BN stays; the message says why."""


def check_batch_norm(batch_norm: Layer, flow: Flow) -> None:
    """Check that a BN is affine in each of its calls.

    Raises:
        Obstacle: if it is not.
    """
    calls = flow.calls_of[batch_norm.path]
    if not calls:
        raise Obstacle("is never called")
    if any(call.training for call in calls):
        raise Obstacle("called with training=True, so it uses batch statistics")
    if holders := calls[0].graph.held_inside.get(batch_norm.name):
        raise Obstacle(f"may be part of `{holders[0]}`, too")


def kept_axes(batch_norm: Layer, call: Call, flow: Flow) -> tuple[int, ...]:
    """The axes that a BN keeps, ascending, counted from the end of its input.

    Raises:
        Obstacle: if that needs the rank of its input, which is not known.
    """
    value = batch_norm.config.get("axis", -1)
    axes = value if isinstance(value, list) else [value]
    if max(axes) >= 0:
        rank = _rank(call, flow)
        if rank is None:
            raise Obstacle(f"axis={value}, but the rank of its input is not known")
        axes = [axis - rank if axis >= 0 else axis for axis in axes]
    return tuple(sorted(axes))


def _rank(call: Call, flow: Flow) -> int | None:
    """The rank of a call's input with the batch, from its shape or from a neighbour."""
    shape = flow.shapes.get(call.inputs[0])
    if shape is not None:
        return len(shape)
    neighbours = [flow.producer(call.inputs[0]), *flow.consumers[call.output]]
    for neighbour in neighbours:
        absorber = ABSORBERS.get((neighbour and neighbour.layer.kind) or "")
        if absorber is not None and absorber.spatial is not None:
            return absorber.spatial + 2
    return None


def check_absorber(batch_norm: Layer, call: Call, side: Side, archive: Archive) -> None:
    """Check that a layer, an absorber or another BN, may absorb a BN.

    Raises:
        Obstacle: if it may not.
        UnusableFileError: if the file holds no weights for it.
    """
    layer = call.layer
    entry = linear_entry(layer) or layer.entry
    activation = _activation(entry.config)
    if layer.is_batch_norm:
        if call.training:
            raise Obstacle(f"`{layer.name}` is called with training=True")
    elif side == "output" and activation != "linear":
        raise Obstacle(f"`{layer.name}` has the activation {activation}")
    if len(call.inputs) > 1:
        raise Obstacle(f"`{layer.name}` is called with more than one tensor")
    for key, value in entry.config.items():
        if key.endswith("_constraint") and value is not None:
            raise Obstacle(f"`{layer.name}` has a {key}")
    if entry.config.get("lora_rank") or entry.config.get("lora_enabled"):
        raise Obstacle(f"`{layer.name}` has LoRA weights")
    _check_not_shared(call)
    check_dtypes(batch_norm, layer)
    if not layer.is_batch_norm:
        _check_weights(entry, side, archive)


def _check_not_shared(call: Call) -> None:
    """Check that no other layer holds this one, or the one it wraps, as well."""
    layer, graph = call.layer, call.graph
    holders = [*graph.held_inside.get(layer.name, ())]
    if (inner := layer.entry.wrapped) is not None:
        same_name = [inner.name] if inner.name in graph.layers else []
        held = graph.held_inside.get(inner.name, ())
        holders += same_name + [name for name in held if name != layer.name]
    if holders:
        raise Obstacle(f"`{layer.name}` may be part of `{holders[0]}`, too")


def check_undoable(batch_norm: Layer, affine: Affine, archive: Archive) -> None:
    """Check that other layers can undo a BN's map without losing precision.

    The map squeezes a channel of deviation |gamma| into numbers of size |beta|. Its
    inverse can restore only the digits that rounding leaves there.

    Raises:
        Obstacle: if a channel is squeezed too much, or the precision is low anyway.
    """
    policy = dtype_policy(batch_norm.config)
    if policy not in ("float32", "float64"):
        raise Obstacle(f"computes in {policy}, too low for its map to be undone")
    stored = read_batch_norm(batch_norm, archive)
    flat = affine.each(lambda values: values.reshape(-1))
    gamma, beta = _deviation_and_mean(batch_norm, stored, flat)
    if not (beta <= _MAX_SQUEEZE * gamma).all() or not gamma.all():
        raise Obstacle("one of its gammas is almost 0, so its map cannot be undone")


def check_precise(reader: Call, affine: Affine, flow: Flow, archive: Archive) -> None:
    """Check that the values that a BN reads keep their digits when they are mapped.

    Its statistics show how large these are. Another call of the same layer may produce
    numbers of a very different size from those of the call whose BN goes.

    Raises:
        Obstacle: if the mapped deviation drowns in the mean, and did not before.
    """
    axes = kept_axes(reader.layer, reader, flow)
    if not set(affine.axes) <= set(axes):
        raise Obstacle(f"BN `{reader.layer.name}` has another axis")
    stored = read_batch_norm(reader.layer, archive)
    shape = stored["moving_mean"].shape
    flat = affine.each(lambda values: along(values, axes, shape).reshape(-1))
    before, mean = _deviation_and_mean(reader.layer, stored, IDENTITY)
    after, mapped = _deviation_and_mean(reader.layer, stored, flat)
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.maximum(_MAX_SQUEEZE, mean / before)
        if not (mapped / after <= limit).all():
            raise Obstacle(f"`{reader.layer.name}` could not undo its map precisely")


def _deviation_and_mean(
    batch_norm: Layer, stored: Mapping[str, NDArray[Any]], flat: Affine
) -> tuple[Float64, Float64]:
    """The sizes of deviation and mean of what a BN reads, mapped index by index."""
    mean = stored["moving_mean"].astype(np.float64).reshape(-1)
    variance = stored["moving_variance"].astype(np.float64).reshape(-1)
    deviation = np.sqrt(variance + epsilon_of(batch_norm.config))
    return np.abs(flat.scale) * deviation, np.abs(flat.shift + mean * flat.scale)


def linear_entry(layer: Layer) -> LayerEntry | None:
    """The entry of a linear layer: the layer's own, or that of the layer it wraps."""
    entry = layer.entry.wrapped or layer.entry
    linear = entry.is_builtin and not entry.is_operator
    return entry if linear and entry.class_name in ABSORBERS else None


def described(layer: Layer) -> str:
    """A layer by class and name."""
    if layer.entry.is_operator:
        return f"the operator {layer.class_name} `{layer.name}`"
    if layer.graph is not None:
        return f"the nested model `{layer.name}`"
    custom = "" if layer.kind else "the custom layer "
    return f"{custom}{layer.class_name} `{layer.name}`"


def _activation(config: Mapping[str, Any]) -> str:
    value = config.get("activation")
    if isinstance(value, dict):  # A custom function or object.
        inner = value.get("config")
        value = inner if isinstance(inner, str) else value.get("class_name", "<lambda>")
    return "linear" if value is None else str(value)


def check_dtypes(batch_norm: Layer, other: Layer) -> None:
    """Check that two layers compute in the same floating dtype.

    A wrapper counts with the dtype of the layer it holds.

    Raises:
        Obstacle: if they do not.
    """
    if other.entry.is_operator:  # It computes in the dtype of its operands.
        return
    configs = {other.name: other.config, batch_norm.name: batch_norm.config}
    if other.entry.wrapped is not None:
        configs[other.name] = other.entry.wrapped.config
    policies = {name: dtype_policy(config) for name, config in configs.items()}
    for name, policy in policies.items():
        if policy not in _PLAIN_DTYPES:
            raise Obstacle(f"`{name}` has the dtype policy {policy}")
    if len({policy.removeprefix("mixed_") for policy in policies.values()}) > 1:
        raise Obstacle(
            f"computes in {policies[batch_norm.name]}, but `{other.name}` in "
            f"{policies[other.name]}"
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


def _check_weights(layer: LayerEntry, side: Side, archive: Archive) -> None:
    absorber = ABSORBERS[layer.class_name]
    if not absorber.own_axes(layer.config, side):
        raise Obstacle(
            f"the equation of `{layer.name}` leaves its last axes open (...), so that "
            "they depend on its input"
        )
    expected = absorber.kernels + absorber.has_bias(layer.config)
    stored = archive.variables(layer.path)
    if not stored:
        raise _missing(layer)
    if len(stored) != expected:
        raise Obstacle(f"`{layer.name}` stores {len(stored)} arrays, not {expected}")
    if any(variable.dtype.kind in "iub" for variable in stored):
        raise Obstacle(f"`{layer.name}` is quantized: it stores integers")


def read_affine(batch_norm: Layer, archive: Archive, axes: tuple[int, ...]) -> Affine:
    """Return the map that a BN layer computes at inference, from its stored weights.

    Raises:
        UnusableFileError: if they are missing or differ in shape.
    """
    variables = read_batch_norm(batch_norm, archive)
    return batch_norm_affine(batch_norm.config, variables, axes)


def read_batch_norm(batch_norm: Layer, archive: Archive) -> dict[str, NDArray[Any]]:
    """A BN layer's variables by name, from the file.

    Raises:
        UnusableFileError: if they are missing or differ in shape.
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
    return {
        name: np.asarray(variable.read())
        for name, variable in zip(names, stored, strict=True)
    }


def _missing(layer: Layer | LayerEntry) -> UnusableFileError:
    return UnusableFileError(
        f"The file holds no weights for the layer `{layer.path}`. Either the model was "
        "saved before it was built, or the layer is shared between two nested models; "
        "Keras stores such a layer once and cannot load it again. Build the model, or "
        "give each nested model its own layer, and save it again."
    )
