"""The output shapes of Keras' own layers, for files that do not contain them.

A Functional model has the shape of every tensor. A Sequential one has it only for
layers that were built for a shape, and a legacy `.h5` file not even then.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kerasbn.graph.model import Layer, Shape

    Config = Mapping[str, Any]
    Size = int | None


def output_shape(layer: Layer, shape: Shape | None) -> Shape | None:
    """Return the shape of a layer's output for an input of `shape`; None if not known.

    Both include the batch.
    """
    function = _same if layer.is_batch_norm else _FUNCTIONS.get(layer.kind or "")
    if shape is None or function is None or layer.entry.is_operator:
        return None
    try:
        return function(layer.config, shape)
    except (KeyError, TypeError, ValueError, IndexError, ArithmeticError):
        return None


def _same(_: Config, shape: Shape) -> Shape:
    return shape


def _dense(config: Config, shape: Shape) -> Shape:
    return (*shape[:-1], config["units"])


def _embedding(config: Config, shape: Shape) -> Shape:
    return (*shape, config["output_dim"])


def _flatten(_: Config, shape: Shape) -> Shape:
    return (shape[0], _product(shape[1:]))


def _reshape(config: Config, shape: Shape) -> Shape:
    target = list(config["target_shape"])
    if -1 in target:
        total = _product(shape[1:])
        others = math.prod(size for size in target if size != -1)
        target[target.index(-1)] = None if total is None else total // others
    return (shape[0], *target)


def _permute(config: Config, shape: Shape) -> Shape:
    return (shape[0], *(shape[axis] for axis in config["dims"]))


def _repeat_vector(config: Config, shape: Shape) -> Shape:
    return (shape[0], config["n"], shape[1])


def _global_pooling(config: Config, shape: Shape) -> Shape:
    batch, space, channels = _parts(config, shape)
    space = (1,) * len(space) if config.get("keepdims") else ()
    return _joined(config, batch, space, channels)


def _spatial(
    change: Callable[[Config, int, Size], Size],
    channels: Callable[[Config, Size], Size] = lambda _, channels: channels,
) -> Callable[[Config, Shape], Shape]:
    """Return the shape function of a layer that changes spatial axes and channels."""

    def function(config: Config, shape: Shape) -> Shape:
        batch, space, inputs = _parts(config, shape)
        space = tuple(change(config, i, size) for i, size in enumerate(space))
        return _joined(config, batch, space, channels(config, inputs))

    return function


def _window(config: Config, axis: int, size: Size) -> Size:
    """Return the size after a convolution or a pooling."""
    extent = _at(config.get("kernel_size", config.get("pool_size")), axis)
    strides = config.get("strides")
    stride = extent if strides is None else _at(strides, axis)
    if size is None:
        return None
    if config.get("padding", "valid") != "valid":
        return -(-size // stride)
    extent = (extent - 1) * _at(config.get("dilation_rate", 1), axis) + 1
    return (size - extent) // stride + 1


def _padded(config: Config, axis: int, size: Size) -> Size:
    return None if size is None else size + sum(_pair(config["padding"], axis))


def _cropped(config: Config, axis: int, size: Size) -> Size:
    return None if size is None else size - sum(_pair(config["cropping"], axis))


def _repeated(config: Config, axis: int, size: Size) -> Size:
    return None if size is None else size * _at(config["size"], axis)


def _filters(config: Config, _: Size) -> Size:
    filters: int = config["filters"]
    return filters


def _multiplied(config: Config, channels: Size) -> Size:
    return None if channels is None else channels * config.get("depth_multiplier", 1)


def _parts(config: Config, shape: Shape) -> tuple[Size, Shape, Size]:
    batch, *rest = shape
    if config.get("data_format") == "channels_first":
        return batch, tuple(rest[1:]), rest[0]
    return batch, tuple(rest[:-1]), rest[-1]


def _joined(config: Config, batch: Size, space: Shape, channels: Size) -> Shape:
    if config.get("data_format") == "channels_first":
        return (batch, channels, *space)
    return (batch, *space, channels)


def _product(sizes: Shape) -> Size:
    return None if None in sizes else math.prod(size or 0 for size in sizes)


def _at(value: Any, axis: int) -> int:
    return value[axis] if isinstance(value, list | tuple) else value


def _pair(value: Any, axis: int) -> tuple[int, int]:
    """Return the sizes before and after an axis, from `[1, 2]` or `[[1, 2], …]`."""
    if isinstance(value[0], int):
        return value[0], value[1]
    return value[axis][0], value[axis][1]


_FUNCTIONS: dict[str, Callable[[Config, Shape], Shape]] = {
    **dict.fromkeys(
        (
            *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "Identity"),
            *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
            *("AlphaDropout", "GaussianDropout", "GaussianNoise", "Masking"),
            *("LayerNormalization", "GroupNormalization", "UnitNormalization"),
            *("RMSNormalization", "Normalization", "Rescaling"),
            "ActivityRegularization",
        ),
        _same,
    ),
    "Dense": _dense,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "RepeatVector": _repeat_vector,
    **{f"Conv{n}D": _spatial(_window, _filters) for n in (1, 2, 3)},
    **{f"SeparableConv{n}D": _spatial(_window, _filters) for n in (1, 2)},
    **{f"DepthwiseConv{n}D": _spatial(_window, _multiplied) for n in (1, 2)},
    **{
        f"{kind}Pooling{n}D": _spatial(_window)
        for kind in ("Average", "Max")
        for n in (1, 2, 3)
    },
    **{
        f"Global{kind}Pooling{n}D": _global_pooling
        for kind in ("Average", "Max")
        for n in (1, 2, 3)
    },
    **{f"ZeroPadding{n}D": _spatial(_padded) for n in (1, 2, 3)},
    **{f"Cropping{n}D": _spatial(_cropped) for n in (1, 2, 3)},
    **{f"UpSampling{n}D": _spatial(_repeated) for n in (1, 2, 3)},
}
