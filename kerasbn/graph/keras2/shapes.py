"""The shapes of what layers and operators return, which Keras 2 does not write down.

Keras 3 writes the shape of every tensor among the arguments of a call, and reads no
call without.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.config_tree import LayerEntry
from kerasbn.graph.model import Layer
from kerasbn.graph.shapes import output_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kerasbn.graph.model import Shape

    Config = Mapping[str, Any]

# Stands for an axis of unknown size while NumPy does what the operator does.
_OPEN = 7919


def output_shapes(
    entry: Mapping[str, Any], shapes: Sequence[Shape | None], args: Sequence[Any] = ()
) -> list[Shape | None]:
    """The shapes of a call's outputs; None where they are not known.

    Args:
        entry: the layer or operator, as Keras 3 has it.
        shapes: those of the tensors among its arguments, in flattened order.
        args: its positional arguments, for operators that take others than tensors.
    """
    known = [shape for shape in shapes if shape is not None]
    if not shapes or len(known) < len(shapes):
        return [None]
    kind, config = entry["class_name"], entry["config"]
    try:
        if entry["module"] != "keras.layers":
            return _of_operator(kind, config, known, args)
        if kind in _MERGES:
            return [_MERGES[kind](config, known)]
        if kind in _LAYERS:
            return _LAYERS[kind](config, known[0])
        return [output_shape(Layer(LayerEntry(entry, "")), known[0])]
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        ArithmeticError,
    ):
        return [None]


def _broadcast(_: Config, shapes: Sequence[Shape]) -> Shape:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    sizes: list[int | None] = []
    for column in zip(*padded, strict=True):
        others = {size for size in column if size != 1}
        sizes.append(max(others - {None}, default=None) if others else 1)
    return tuple(sizes)


def _concatenated(config: Config, shapes: Sequence[Shape]) -> Shape:
    axis = config.get("axis", -1)
    result = list(_broadcast(config, shapes))
    sizes = [shape[axis] for shape in shapes]
    result[axis] = None if None in sizes else sum(size or 0 for size in sizes)
    return tuple(result)


def _dot(config: Config, shapes: Sequence[Shape]) -> Shape:
    one, other = shapes
    axes = config["axes"]
    first, second = (axes, axes) if isinstance(axes, int) else axes
    rest = [size for n, size in enumerate(one) if n != first % len(one)]
    more = [size for n, size in enumerate(other) if n not in (0, second % len(other))]
    found = (*rest, *more)
    return (*found, 1) if len(found) == 1 else found


def _attended(_: Config, shapes: Sequence[Shape]) -> Shape:
    return (*shapes[0][:-1], shapes[1][-1])


def _merge_of_query(config: Config, shapes: Sequence[Shape]) -> Shape:
    width = config.get("output_shape")
    if width is None:
        return shapes[0]
    return (*shapes[0][:-1], *(width if isinstance(width, list) else [width]))


_MERGES: dict[str, Callable[[Config, Sequence[Shape]], Shape]] = {
    **dict.fromkeys(
        ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), _broadcast
    ),
    "Concatenate": _concatenated,
    "Dot": _dot,
    "Attention": _attended,
    "AdditiveAttention": _attended,
    "MultiHeadAttention": _merge_of_query,
}


def _recurrent(config: Config, shape: Shape) -> list[Shape | None]:
    batch, steps, _ = shape
    state: tuple[int | None, ...] = (
        (batch, config["units"]) if "units" in config else ()
    )
    if not state:
        return [None]
    output = (batch, steps, *state[1:]) if config.get("return_sequences") else state
    states = [state] * 2 if config.get("return_state") else []
    return [output, *states]


def _bidirectional(config: Config, shape: Shape) -> list[Shape | None]:
    inner = config["layer"]
    output, *states = _LAYERS[inner["class_name"]](inner["config"], shape)
    if output is None:
        return [None]
    mode = config.get("merge_mode", "concat")
    if mode is None:
        return [output, output, *states, *states]
    if mode == "concat":
        output = (*output[:-1], 2 * (output[-1] or 0))
    return [output, *states, *states]


def _time_distributed(config: Config, shape: Shape) -> list[Shape | None]:
    batch, steps, *rest = shape
    inner = config["layer"]
    found = output_shapes(inner, [(batch, *rest)])[0]
    return [None if found is None else (found[0], steps, *found[1:])]


def _transposed(config: Config, shape: Shape) -> list[Shape | None]:
    first = config.get("data_format") == "channels_first"
    space = shape[2:] if first else shape[1:-1]
    rank = len(space)

    def each(key: str, default: int) -> list[int]:
        value = config.get(key)
        value = default if value is None else value
        return list(value) if isinstance(value, list) else [value] * rank

    if config.get("output_padding") is not None or set(each("dilation_rate", 1)) != {1}:
        return [None]
    sizes: list[int | None] = []
    for size, kernel, stride in zip(
        space, each("kernel_size", 1), each("strides", 1), strict=True
    ):
        more = max(kernel - stride, 0) if config.get("padding") == "valid" else 0
        sizes.append(None if size is None else size * stride + more)
    channels = config["filters"]
    return [(shape[0], channels, *sizes) if first else (shape[0], *sizes, channels)]


def _sized(config: Config, shape: Shape) -> list[Shape | None]:
    return [(shape[0], config["height"], config["width"], shape[-1])]


def _einsum_dense(config: Config, shape: Shape) -> list[Shape | None]:
    told = config["output_shape"]
    sizes = told if isinstance(told, list) else [told]
    if len(sizes) != len(shape) - 1:
        return [None]
    pairs = zip(sizes, shape[1:], strict=True)
    return [(shape[0], *(old if new is None else new for new, old in pairs))]


def _same(_: Config, shape: Shape) -> list[Shape | None]:
    return [shape]


_LAYERS: dict[str, Callable[[Config, Shape], list[Shape | None]]] = {
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), _recurrent),
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
    **{f"Conv{rank}DTranspose": _transposed for rank in (1, 2, 3)},
    "Resizing": _sized,
    "CenterCrop": _sized,
    "EinsumDense": _einsum_dense,
    **dict.fromkeys(
        ("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation"), _same
    ),
    "RandomContrast": _same,
}
_LAYERS["LSTM"] = lambda config, shape: _recurrent(config, shape)
for _kind in ("GRU", "SimpleRNN"):
    _LAYERS[_kind] = lambda config, shape: _recurrent(config, shape)[:2]


def _of_operator(
    kind: str, config: Config, shapes: Sequence[Shape], args: Sequence[Any]
) -> list[Shape | None]:
    shape, rank = shapes[0], len(shapes[0])
    if kind in ("Concatenate", "Einsum"):
        return [
            _concatenated(config, shapes)
            if kind == "Concatenate"
            else _einsum(config["subscripts"], shapes)
        ]
    if kind == "Stack":
        result = list(_broadcast(config, shapes))
        axis = config["axis"]
        result.insert(axis if axis >= 0 else rank + 1 + axis, len(shapes))
        return [tuple(result)]
    if kind == "Matmul" and len(shapes) == 2:
        other = shapes[1]
        return [(*_broadcast(config, [shape[:-2], other[:-2]]), shape[-2], other[-1])]
    if kind in _REDUCING:
        return [_reduced(config, shape, bool(config.get("keepdims")))]
    if kind == "Argmax":
        return [_reduced(config, shape, False)]
    if kind == "Reshape":
        return [_reshaped(config["newshape"], shape)]
    if kind in ("Tile", "Pad", "Resize", "DepthToSpace", "SpaceToDepth"):
        return [_resized(kind, config, shape)]
    if kind == "Split":
        return _split(config, shape)
    if kind in _VIEWS:
        open_shape = [_OPEN if size is None else size for size in shape]
        view = _VIEWS[kind](np.broadcast_to(np.int8(0), open_shape), config, args)
        return [tuple(None if size == _OPEN else size for size in view.shape)]
    constants = [
        np.shape(each["config"]["value"])
        for each in args
        if isinstance(each, dict) and each.get("class_name") == "__tensor__"
    ]
    return [_broadcast(config, [*shapes, *constants])]


_REDUCING = {"Mean", "Sum", "Max", "Min", "Prod", "Std", "Var", "All", "Any"}


def _reduced(config: Config, shape: Shape, keep: bool) -> Shape:
    axis = config.get("axis")
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis) % len(shape)
    gone = {int(each) for each in axes}
    if keep:
        return tuple(1 if n in gone else size for n, size in enumerate(shape))
    return tuple(size for n, size in enumerate(shape) if n not in gone)


def _reshaped(target: Sequence[int], shape: Shape) -> Shape:
    sizes: list[int | None] = list(target)
    if -1 in sizes:
        rest = math.prod(size or 1 for size in sizes if size != -1)
        known = None not in shape
        total = math.prod(size or 1 for size in shape)
        only_batch = shape[0] is None and None not in shape[1:]
        if known:
            sizes[sizes.index(-1)] = total // rest
        elif only_batch and target[0] != -1 and target[0] is not None:
            sizes[sizes.index(-1)] = None
        else:
            sizes[sizes.index(-1)] = None
    return tuple(sizes)


def _resized(kind: str, config: Config, shape: Shape) -> Shape:
    if kind == "Tile":
        pairs = zip(shape, config["repeats"], strict=True)
        return tuple(None if size is None else size * n for size, n in pairs)
    if kind == "Pad":
        widths = zip(shape, config["pad_width"], strict=True)
        return tuple(None if size is None else size + sum(w) for size, w in widths)
    if kind == "Resize":
        return (*shape[:-3], *config["size"], shape[-1])
    batch, *space, channels = shape
    block = config["block_size"]
    if kind == "DepthToSpace":
        sizes = [None if size is None else size * block for size in space]
        return (batch, *sizes, (channels or 0) // block**2)
    sizes = [None if size is None else size // block for size in space]
    return (batch, *sizes, (channels or 0) * block**2)


def _split(config: Config, shape: Shape) -> list[Shape | None]:
    axis, sections = config["axis"], config["indices_or_sections"]
    size = shape[axis]
    if size is None:
        return [None]
    if isinstance(sections, int):
        sizes = [size // sections] * sections
    else:
        ends = [0, *sections, size]
        sizes = [stop - start for start, stop in pairwise(ends)]
    found: list[Shape | None] = []
    for each in sizes:
        result = list(shape)
        result[axis] = each
        found.append(tuple(result))
    return found


def _einsum(subscripts: str, shapes: Sequence[Shape]) -> Shape:
    inputs, output = subscripts.split("->")
    sizes = {
        letter: size
        for letters, shape in zip(inputs.split(","), shapes, strict=True)
        for letter, size in zip(letters, shape, strict=True)
    }
    return tuple(sizes[letter] for letter in output)


def _index(view: Any, _: Config, args: Sequence[Any]) -> Any:
    def part(value: Any) -> Any:
        if isinstance(value, dict) and value.get("class_name") == "__slice__":
            ends = value["config"]
            return slice(ends["start"], ends["stop"], ends["step"])
        return ... if isinstance(value, dict) else value

    return view[tuple(part(each) for each in args[1])]


_VIEWS: dict[str, Callable[[Any, Config, Sequence[Any]], Any]] = {
    "GetItem": _index,
    "Transpose": lambda view, config, _: np.transpose(view, config.get("axes")),
    "ExpandDims": lambda view, config, _: np.expand_dims(view, config["axis"]),
    "Squeeze": lambda view, config, _: np.squeeze(
        view,
        tuple(axis) if isinstance(axis := config.get("axis"), list) else axis,
    ),
}
