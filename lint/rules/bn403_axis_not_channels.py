"""BN403: batch normalization along an axis other than that of the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import layers_before, source
from ..subjects.linear import axis_from_end, channel_axis, spatial_axes
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Model
    from ..subjects.source import Module


class AxisNotChannels(Rule):
    """Batch normalization uses an axis other than that of the convolution's channels.

    ## What it does
    Reports batch normalization directly after a convolution whose `axis` is not the
    axis of the channels, by the convolution's `data_format`. In source both must be
    specified, or be the defaults of Keras 3; before Keras 3, the module must set the
    format, or the shape of its images must show it. Formats that only other classes or
    functions of the file speak of do not count. An `axis` that is a list is left alone,
    and so are defaults where a file that uses the module sets the format. In
    code that decides by `image_data_format()`, or gives its convolutions a
    `data_format` that is no constant, the first with a constant axis beside a
    convolution is reported as info, or beside any layer that gets its axis so.

    ## Why is this bad
    Each row or column of the image gets its own mean and variance, and all channels
    share them, which is hardly ever intended: `axis` is 1 for `channels_first` and -1
    for `channels_last`.

    ## Limits
    Only a layer directly after the convolution is checked: applied to its output, or
    next to it in a `Sequential` or in a list that one, or a loop, goes through.

    ## References
    - https://keras.io/api/layers/normalization_layers/batch_normalization/
    """

    code = "BN403"
    name = "axis-not-channels"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((6, 6, 3)),
        keras.layers.Conv2D(8, 3, use_bias=False),
        keras.layers.BatchNormalization(axis=1),
    ]
)
y = model(np.random.default_rng(0).normal(5, 2, size=(16, 6, 6, 3)), training=True)
"""
    good = bad.replace("axis=1", "axis=-1")
    proof = """\
means = keras.ops.convert_to_numpy(y).mean(axis=(0, 1, 2))
healthy = bool(np.abs(means).max() < 1e-3)  # Each channel is normalized.
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such layer in the module, where it is built."""
        for made, fixed in source.fixed_axes(module):
            yield self.finding(
                f"axis={fixed} fits one format of images, and this code takes either: "
                "in the other, rows or columns are normalized; use axis=1 if it is "
                '"channels_first", else -1',
                module.location(made),
                Severity.INFO,
            )
        if not (module.mentions("BatchNorm") or source.binds_arguments(module)):
            return
        default = source.default_data_format(module)
        signs = ("axis", "data_format", "BatchNormalization(1")
        said = module.mentions(*signs) or source.binds_arguments(module)
        if default != "channels_first" and not said:
            return
        for pair in source.layers_before(module):
            spatial = spatial_axes(pair.kind)
            conv = source.arguments(module, pair.layer, pair.kind)
            bn = source.arguments(module, pair.batch_norm, "BatchNormalization")
            if spatial is None or conv is None or bn is None:
                continue
            axis = axis_from_end(bn, spatial + 2)
            own = conv.get("data_format")
            data_format = own or default
            if data_format is None and axis not in (None, -1):
                data_format = source.left_at_default(module, pair.batch_norm)
            if data_format not in ("channels_first", "channels_last"):
                continue
            right = channel_axis(pair.kind, {"data_format": data_format})
            if axis is None or axis == right:
                continue
            if own or not source.sets_format_elsewhere(module):
                yield self.finding(
                    _message(bn.get("axis", -1), data_format, pair.kind),
                    module.location(pair.batch_norm),
                )

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every such layer of the model."""
        for pair in layers_before.layers_before(model):
            data_format = pair.layer.config.get("data_format")
            known = data_format in ("channels_first", "channels_last")
            if spatial_axes(pair.kind) and known and pair.on_channels is False:
                axis = pair.batch_norm.config.get("axis", -1)
                yield self.finding(
                    _message(axis, data_format, pair.kind),
                    model.at(pair.batch_norm.path),
                )


def _message(axis: object, data_format: object, kind: str) -> str:
    right = 1 if data_format == "channels_first" else -1
    return (
        f"axis={axis} is not the axis of the channels after {kind} with {data_format}: "
        f"rows or columns are normalized instead; use axis={right}"
    )
