"""Linear layers that have weights of their own only along the channel axis."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.folding.absorb.base import Absorber

if TYPE_CHECKING:
    from kerasbn.folding.absorb.base import Config, Side
    from kerasbn.folding.affine import Affine, Float64
    from kerasbn.folding.wide import Wide


class Channelwise(Absorber):
    """A layer with a bias for each output channel."""

    def __init__(self, spatial: int | None = None) -> None:
        self.spatial = spatial

    def own_axes(self, config: Config, side: Side) -> tuple[int, ...]:
        """The channel axis, which is the same on both sides."""
        if self.spatial is not None and config.get("data_format") == "channels_first":
            return (-1 - self.spatial,)
        return (-1,)

    def has_bias(self, config: Config) -> bool:
        """Whether a layer of that configuration has a bias."""
        return bool(config.get("use_bias", True))

    @abstractmethod
    def _outputs(self, kernels: list[Wide]) -> int:
        """The number of output channels."""

    @abstractmethod
    def _response(self, config: Config, kernels: list[Wide], shift: Float64) -> Float64:
        """The contribution of a constant input to the bias."""

    def _bias_setting(
        self, config: Config, side: Side, affine: Affine
    ) -> dict[str, Any]:
        return {"use_bias": True} if affine.has_shift else {}

    def _absorbed_bias(
        self,
        config: Config,
        kernels: list[Wide],
        biases: list[Float64],
        side: Side,
        affine: Affine,
    ) -> list[Float64]:
        if not biases and not affine.has_shift:
            return []
        if side == "input":
            shift = self._response(config, kernels, affine.shift)
            return [biases[0] + shift if biases else shift]
        outputs = self._outputs(kernels)
        shift = per_channel(affine.shift, outputs)
        return [
            biases[0] * per_channel(affine.scale, outputs) + shift if biases else shift
        ]


class Dense(Channelwise):
    """A layer whose kernel is (…, inputs of a group, outputs)."""

    def _outputs(self, kernels: list[Wide]) -> int:
        return kernels[-1].shape[-1]

    def _scale_outputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        *before, kernel = kernels
        return [*before, kernel * per_channel(scale, kernel.shape[-1])]

    def _scale_inputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        return [kernels[0] * _by_group(config, kernels[0], scale)]

    def _response(self, config: Config, kernels: list[Wide], shift: Float64) -> Float64:
        answers = kernels[0] * _by_group(config, kernels[0], shift)
        return answers.sum(tuple(range(answers.ndim - 1)))


class Convolution(Dense):
    """A convolution, which can pad its input."""

    def unevenness(self, config: Config) -> str | None:
        """Padding with zeros, which are not shifted; a kernel of size 1 needs none."""
        return padding(config)


class Transposed(Channelwise):
    """A transposed convolution, whose kernel is (…, outputs, inputs)."""

    def unevenness(self, config: Config) -> str | None:
        """Overlaps of the kernel, which differ between places unless its size is 1."""
        if all_ones(config["kernel_size"]) and all_ones(config["strides"]):
            return None
        return "adds up a different number of inputs at different places"

    def _outputs(self, kernels: list[Wide]) -> int:
        return kernels[0].shape[-2]

    def _scale_outputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        return [kernels[0] * per_channel(scale, kernels[0].shape[-2])[:, None]]

    def _scale_inputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        return [kernels[0] * per_channel(scale, kernels[0].shape[-1])]

    def _response(self, config: Config, kernels: list[Wide], shift: Float64) -> Float64:
        answers = kernels[0] * per_channel(shift, kernels[0].shape[-1])
        return answers.sum((*range(answers.ndim - 2), -1))


def padding(config: Config) -> str | None:
    """The reason why a shift cannot pass if a convolution pads."""
    if config.get("padding", "valid") == "valid" or all_ones(config["kernel_size"]):
        return None
    return "pads with zeros, which the BN does not shift"


def all_ones(value: Any) -> bool:
    """Whether a size is 1 along every axis."""
    return all(size == 1 for size in (value if isinstance(value, list) else [value]))


def per_channel(values: Float64, channels: int) -> Float64:
    """Values that differ at most by channel, wherever the channels are."""
    return np.broadcast_to(values.reshape(-1), (channels,))


def _by_group(config: Config, kernel: Wide, values: Float64) -> Float64:
    """A value for each input channel, arranged as the kernel's last two axes."""
    groups = config.get("groups") or 1
    inputs, outputs = kernel.shape[-2:]
    grouped = per_channel(values, groups * inputs).reshape(groups, inputs)
    return grouped.T if groups == 1 else grouped.repeat(outputs // groups, axis=0).T
