"""How a linear layer takes an affine map of its output into its own weights.

A linear layer computes x * W + b. Followed by y = s * (x * W + b) + t, it is the
same layer with the weights

    W' = W * s        b' = b * s + t

where s multiplies those entries of W that lead to the output index it belongs to.
Which these are is all that tells one class from another: one entry of `ABSORBERS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.folding import einsum

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from kerasbn.folding.affine import Affine, Float64

    Config = Mapping[str, Any]


@dataclass(frozen=True)
class Absorber:
    """What there is to know of a class of linear layers.

    Attributes:
        scale_kernel: (configuration, kernel, affine) -> the scaled kernel.
        kernels: how many kernels the layer has. The last leads to the output and
            takes the scale; the bias is stored after it.
        spatial: how many spatial axes its input has; None if it may be of any rank.
    """

    scale_kernel: Callable[[Config, Float64, Affine], Float64]
    kernels: int = 1
    spatial: int | None = None


def output_axes(kind: str, config: Config) -> tuple[int, ...]:
    """The axes, from the end, of which each index has weights of its own."""
    if kind == "EinsumDense":
        return einsum.output_axes(config)
    spatial = ABSORBERS[kind].spatial
    if spatial is not None and config.get("data_format") == "channels_first":
        return (-1 - spatial,)
    return (-1,)


def absorbed_config(kind: str, config: Config, axes: tuple[int, ...]) -> dict[str, Any]:
    """The layer's configuration after absorbing: with a bias, without regularizers.

    Args:
        kind: the layer's class, a key of `ABSORBERS`.
        config: its configuration.
        axes: those of the affine map, among the layer's `output_axes`.
    """
    bias = (
        {"bias_axes": einsum.bias_axes(config, axes)}
        if kind == "EinsumDense"
        else {"use_bias": True}
    )
    return {**config, **bias, **dict.fromkeys(penalties(config))}


def absorbed_variables(
    kind: str, config: Config, variables: Sequence[NDArray[Any]], affine: Affine
) -> list[Float64]:
    """The float64 variables of the layer that computes `affine` of what this one does.

    Args:
        kind: the layer's class, a key of `ABSORBERS`.
        config: its configuration before absorbing.
        variables: its kernels, then its bias if it has one.
        affine: over axes among the layer's `output_axes`.

    Raises:
        ValueError: if the shapes do not fit.
    """
    absorber = ABSORBERS[kind]
    wide = [values.astype(np.float64) for values in variables]
    *before, kernel = wide[: absorber.kernels]
    kernel = absorber.scale_kernel(config, kernel, affine)
    bias = wide[absorber.kernels] if has_bias(kind, config) else None
    if kind == "EinsumDense":
        bias = einsum.absorbed_bias(config, bias, affine)
    else:
        bias = affine.shift + (0.0 if bias is None else bias * affine.scale)
    return [*before, kernel, bias]


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


def _scale_last(_: Config, kernel: Float64, affine: Affine) -> Float64:
    """Dense and convolutions: the kernel's last axis is the output channel."""
    return kernel * affine.scale.reshape(kernel.shape[-1])


def _scale_depthwise(_: Config, kernel: Float64, affine: Affine) -> Float64:
    """Output channel c * multiplier + m comes from kernel[..., c, m]."""
    return kernel * affine.scale.reshape(kernel.shape[-2:])


def _scale_transposed(_: Config, kernel: Float64, affine: Affine) -> Float64:
    """Transposed convolutions: the output channel stands before the input channel."""
    return kernel * affine.scale.reshape(kernel.shape[-2], 1)


ABSORBERS = {
    "Dense": Absorber(_scale_last),
    "EinsumDense": Absorber(einsum.scale_kernel),
    "Conv1D": Absorber(_scale_last, spatial=1),
    "Conv2D": Absorber(_scale_last, spatial=2),
    "Conv3D": Absorber(_scale_last, spatial=3),
    "DepthwiseConv1D": Absorber(_scale_depthwise, spatial=1),
    "DepthwiseConv2D": Absorber(_scale_depthwise, spatial=2),
    "SeparableConv1D": Absorber(_scale_last, kernels=2, spatial=1),
    "SeparableConv2D": Absorber(_scale_last, kernels=2, spatial=2),
    "Conv1DTranspose": Absorber(_scale_transposed, spatial=1),
    "Conv2DTranspose": Absorber(_scale_transposed, spatial=2),
    "Conv3DTranspose": Absorber(_scale_transposed, spatial=3),
}
"""Class -> how it absorbs. The names are those of `keras.layers`."""
