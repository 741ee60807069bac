"""How a linear layer takes an affine map of its output, or of its input, into itself.

A linear layer computes x * W + b. Followed by y = s * (x * W + b) + t it is the same
layer with other weights, and so it is behind x = s * x' + t:

    after it:     W' = W * s over the outputs     b' = b * s + t
    before it:    W' = s * W over the inputs      b' = b + (t * W)

where t * W, the layer's response to the constant t, is the same at every place only if
no zero padding comes in between. Which entries of W lead to an output, or come from
an input, is all that tells one class from another: one entry of `ABSORBERS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kerasbn.folding import einsum
from kerasbn.folding.wide import Wide, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kerasbn.archive import Blockwise
    from kerasbn.folding.affine import Affine, Float64

    Config = Mapping[str, Any]
    Side = Literal["input", "output"]


@dataclass(frozen=True)
class Absorber:
    """What there is to know of a class of linear layers.

    Attributes:
        scale_outputs: (configuration, kernels, scale) -> the kernels with each output
            scaled. A scale or shift is aligned at its end, as in `Affine`.
        scale_inputs: likewise, with each input scaled.
        response: (configuration, kernels, shift) -> what a constant input adds to the
            bias.
        unevenness: configuration -> why the response is not the same at every place,
            to follow the layer's name; None if it is.
        kernels: how many kernels the layer has; its bias is stored after them.
        spatial: how many spatial axes its input has; None if it may be of any rank.
    """

    scale_outputs: Callable[[Config, list[Wide], Float64], list[Wide]]
    scale_inputs: Callable[[Config, list[Wide], Float64], list[Wide]]
    response: Callable[[Config, list[Wide], Float64], Float64]
    unevenness: Callable[[Config], str | None] = lambda _: None
    kernels: int = 1
    spatial: int | None = None


def own_axes(kind: str, config: Config, side: Side) -> tuple[int, ...]:
    """The axes, from the end, of which each index has weights of its own.

    Args:
        kind: the layer's class, a key of `ABSORBERS`.
        config: its configuration.
        side: whether those of its input or of its output.
    """
    if kind == "EinsumDense":
        return einsum.own_axes(config, side)
    return (_channel_axis(kind, config),)


def absorbed_config(
    kind: str, config: Config, side: Side, affine: Affine
) -> dict[str, Any]:
    """The layer's configuration after absorbing, without regularizers.

    It has a bias if it had one or the affine map has a shift.

    Args:
        kind: the layer's class, a key of `ABSORBERS`.
        config: its configuration.
        side: where the map is, before or after the layer.
        affine: the map, over axes among the layer's `own_axes`.
    """
    bias: dict[str, Any] = {}
    if kind == "EinsumDense":
        bias = {"bias_axes": einsum.bias_axes(config, side, affine)}
    elif affine.has_shift:
        bias = {"use_bias": True}
    return {**config, **bias, **dict.fromkeys(penalties(config))}


def absorbed_variables(
    kind: str,
    config: Config,
    variables: Sequence[Blockwise],
    side: Side,
    affine: Affine,
) -> list[Wide | Float64]:
    """The float64 variables of the layer together with an affine map.

    The kernels are computed block by block, when they are asked for.

    Args:
        kind: the layer's class, a key of `ABSORBERS`.
        config: its configuration before absorbing.
        variables: its kernels, then its bias if it has one.
        side: whether the map is of the layer's input or of its output.
        affine: the map, over axes among the layer's `own_axes`.

    Raises:
        ValueError: if the shapes do not fit.
    """
    absorber = ABSORBERS[kind]
    wide = [Wide.of(values) for values in variables]
    kernels = wide[: absorber.kernels]
    biases = [whole(values) for values in wide[absorber.kernels :]]
    if kind == "EinsumDense":
        biases = einsum.absorbed_bias(config, kernels[0], biases, side, affine)
    elif biases or affine.has_shift:
        biases = [_absorbed_bias(kind, config, kernels, biases, side, affine)]
    scaled = absorber.scale_outputs if side == "output" else absorber.scale_inputs
    return [*scaled(config, kernels, affine.scale), *biases]


def has_bias(kind: str, config: Config) -> bool:
    """Whether a layer of that class has a bias."""
    if kind == "EinsumDense":
        return bool(config.get("bias_axes"))
    return bool(config.get("use_bias", True))


def penalties(config: Config) -> list[str]:
    """The regularizers that a layer's configuration sets.

    They would punish the folded weights instead of the trained ones.
    """
    return [
        key
        for key, value in config.items()
        if key.endswith("_regularizer") and value is not None
    ]


def _absorbed_bias(
    kind: str,
    config: Config,
    kernels: list[Wide],
    biases: list[Float64],
    side: Side,
    affine: Affine,
) -> Float64:
    if side == "input":
        response = ABSORBERS[kind].response(config, kernels, affine.shift)
        return biases[0] + response if biases else response
    outputs = _outputs(kind, kernels)
    shift = _per_channel(affine.shift, outputs)
    return biases[0] * _per_channel(affine.scale, outputs) + shift if biases else shift


def _channel_axis(kind: str, config: Config) -> int:
    spatial = ABSORBERS[kind].spatial
    first = spatial is not None and config.get("data_format") == "channels_first"
    return -1 - spatial if first and spatial else -1


def _outputs(kind: str, kernels: list[Wide]) -> int:
    """The number of output channels."""
    shape = kernels[-1].shape
    if kind.startswith("Depthwise"):
        return shape[-2] * shape[-1]
    return shape[-2] if kind.endswith("Transpose") else shape[-1]


def _per_channel(values: Float64, channels: int) -> Float64:
    """Values that differ by channel at most, wherever the channels are."""
    return np.broadcast_to(values.reshape(-1), (channels,))


# Dense and convolutions: the kernel is (…, inputs of a group, outputs).


def _scale_last(_: Config, kernels: list[Wide], scale: Float64) -> list[Wide]:
    *before, kernel = kernels
    return [*before, kernel * _per_channel(scale, kernel.shape[-1])]


def _scale_inputs(config: Config, kernels: list[Wide], scale: Float64) -> list[Wide]:
    return [kernels[0] * _by_group(config, kernels[0], scale)]


def _response(config: Config, kernels: list[Wide], shift: Float64) -> Float64:
    answers = kernels[0] * _by_group(config, kernels[0], shift)
    return answers.sum(tuple(range(answers.ndim - 1)))


def _by_group(config: Config, kernel: Wide, values: Float64) -> Float64:
    """A value for each input channel, as the kernel's last two axes meet them."""
    groups = config.get("groups") or 1
    inputs, outputs = kernel.shape[-2:]
    grouped = _per_channel(values, groups * inputs).reshape(groups, inputs)
    return grouped.T if groups == 1 else grouped.repeat(outputs // groups, axis=0).T


# Depthwise: input channel c leads to the outputs c * multiplier + m by kernel[…, c, m].


def _scale_depthwise_outputs(
    _: Config, kernels: list[Wide], scale: Float64
) -> list[Wide]:
    shape = kernels[0].shape[-2:]
    return [kernels[0] * _per_channel(scale, math.prod(shape)).reshape(shape)]


def _scale_depthwise_inputs(
    _: Config, kernels: list[Wide], scale: Float64
) -> list[Wide]:
    depthwise, *rest = kernels
    return [depthwise * _per_channel(scale, depthwise.shape[-2])[:, None], *rest]


def _depthwise_response(config: Config, kernels: list[Wide], shift: Float64) -> Float64:
    answers = _scale_depthwise_inputs(config, kernels, shift)[0]
    return answers.sum(tuple(range(answers.ndim - 2))).reshape(-1)


def _separable_response(config: Config, kernels: list[Wide], shift: Float64) -> Float64:
    depthwise, pointwise = kernels
    between = _depthwise_response(config, [depthwise], shift)
    return _response({}, [pointwise], between)


# Transposed: the kernel is (…, outputs, inputs).


def _scale_transposed_outputs(
    _: Config, kernels: list[Wide], scale: Float64
) -> list[Wide]:
    return [kernels[0] * _per_channel(scale, kernels[0].shape[-2])[:, None]]


def _scale_transposed_inputs(
    _: Config, kernels: list[Wide], scale: Float64
) -> list[Wide]:
    return [kernels[0] * _per_channel(scale, kernels[0].shape[-1])]


def _transposed_response(_: Config, kernels: list[Wide], shift: Float64) -> Float64:
    answers = kernels[0] * _per_channel(shift, kernels[0].shape[-1])
    return answers.sum((*range(answers.ndim - 2), -1))


def _padding(config: Config) -> str | None:
    """Zeros beyond the border are not shifted; a kernel of size 1 meets none."""
    if config.get("padding", "valid") == "valid" or _all_ones(config["kernel_size"]):
        return None
    return "pads with zeros, which the BN does not shift"


def _overlap(config: Config) -> str | None:
    """A place has as many inputs as kernels overlap there, but for a size of 1."""
    if _all_ones(config["kernel_size"]) and _all_ones(config["strides"]):
        return None
    return "does not add up as many inputs at every place"


def _all_ones(value: Any) -> bool:
    return all(size == 1 for size in (value if isinstance(value, list) else [value]))


def _convolution(spatial: int) -> Absorber:
    return Absorber(_scale_last, _scale_inputs, _response, _padding, spatial=spatial)


def _depthwise(spatial: int) -> Absorber:
    return Absorber(
        _scale_depthwise_outputs,
        _scale_depthwise_inputs,
        _depthwise_response,
        _padding,
        spatial=spatial,
    )


def _separable(spatial: int) -> Absorber:
    return Absorber(
        _scale_last,
        _scale_depthwise_inputs,
        _separable_response,
        _padding,
        kernels=2,
        spatial=spatial,
    )


def _transposed(spatial: int) -> Absorber:
    return Absorber(
        _scale_transposed_outputs,
        _scale_transposed_inputs,
        _transposed_response,
        _overlap,
        spatial=spatial,
    )


ABSORBERS = {
    "Dense": Absorber(_scale_last, _scale_inputs, _response),
    "EinsumDense": Absorber(
        einsum.scale_outputs,
        einsum.scale_inputs,
        einsum.response,
        einsum.unweighted_sum,
    ),
    "Conv1D": _convolution(1),
    "Conv2D": _convolution(2),
    "Conv3D": _convolution(3),
    "DepthwiseConv1D": _depthwise(1),
    "DepthwiseConv2D": _depthwise(2),
    "SeparableConv1D": _separable(1),
    "SeparableConv2D": _separable(2),
    "Conv1DTranspose": _transposed(1),
    "Conv2DTranspose": _transposed(2),
    "Conv3DTranspose": _transposed(3),
}
"""Class -> how it absorbs. The names are those of `keras.layers`."""
