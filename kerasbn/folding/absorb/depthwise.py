"""Convolutions that keep the channels apart, at first or throughout.

Input channel c leads to the outputs c * multiplier + m through kernel[…, c, m].
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kerasbn.folding.absorb.channels import Convolution, per_channel

if TYPE_CHECKING:
    from kerasbn.folding.absorb.base import Config
    from kerasbn.folding.affine import Float64
    from kerasbn.folding.wide import Wide


class Depthwise(Convolution):
    """A depthwise convolution, whose kernel is (…, inputs, multiplier)."""

    def _outputs(self, kernels: list[Wide]) -> int:
        return math.prod(kernels[0].shape[-2:])

    def _scale_outputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        shape = kernels[0].shape[-2:]
        return [kernels[0] * per_channel(scale, math.prod(shape)).reshape(shape)]

    def _scale_inputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        return _scaled_depthwise(kernels, scale)

    def _response(self, config: Config, kernels: list[Wide], shift: Float64) -> Float64:
        return _depthwise_response(kernels, shift)


class Separable(Convolution):
    """A depthwise kernel, followed by one of size 1 that mixes the channels."""

    kernels = 2

    def _scale_inputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        return _scaled_depthwise(kernels, scale)

    def _response(self, config: Config, kernels: list[Wide], shift: Float64) -> Float64:
        depthwise, pointwise = kernels
        between = _depthwise_response([depthwise], shift)
        return super()._response({}, [pointwise], between)


def _scaled_depthwise(kernels: list[Wide], scale: Float64) -> list[Wide]:
    """The kernels with each input of the first one scaled."""
    depthwise, *rest = kernels
    return [depthwise * per_channel(scale, depthwise.shape[-2])[:, None], *rest]


def _depthwise_response(kernels: list[Wide], shift: Float64) -> Float64:
    answers = _scaled_depthwise(kernels, shift)[0]
    return answers.sum(tuple(range(answers.ndim - 2))).reshape(-1)
