"""The output shapes of operators."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kerasbn.graph.model import Shape

    Config = Mapping[str, Any]

# Stands for an axis of unknown size while NumPy does the operator's work.
_OPEN = 7919


def broadcast(_: Config, shapes: Sequence[Shape]) -> Shape:
    """Return the shape of an element-wise result."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    sizes: list[int | None] = []
    for column in zip(*padded, strict=True):
        others = {size for size in column if size != 1}
        sizes.append(max(others - {None}, default=None) if others else 1)
    return tuple(sizes)


def concatenated(config: Config, shapes: Sequence[Shape]) -> Shape:
    """Return the shape of tensors joined along the configured axis."""
    axis = config.get("axis", -1)
    result = list(broadcast(config, shapes))
    sizes = [shape[axis] for shape in shapes]
    result[axis] = None if None in sizes else sum(size or 0 for size in sizes)
    return tuple(result)


def of_operator(
    kind: str, config: Config, shapes: Sequence[Shape], args: Sequence[Any]
) -> list[Shape | None]:
    """Return the output shapes of an operator.

    Args:
        kind: its class.
        config: its configuration.
        shapes: the shapes of the tensors among its arguments, in flattened order.
        args: its positional arguments.
    """
    shape, rank = shapes[0], len(shapes[0])
    if kind in ("Concatenate", "Einsum"):
        return [
            concatenated(config, shapes)
            if kind == "Concatenate"
            else _einsum(config["subscripts"], shapes)
        ]
    if kind == "Stack":
        result = list(broadcast(config, shapes))
        axis = config["axis"]
        result.insert(axis if axis >= 0 else rank + 1 + axis, len(shapes))
        return [tuple(result)]
    if kind == "Matmul" and len(shapes) == 2:
        other = shapes[1]
        return [(*broadcast(config, [shape[:-2], other[:-2]]), shape[-2], other[-1])]
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
        np.shape(argument["config"]["value"])
        for argument in args
        if isinstance(argument, dict) and argument.get("class_name") == "__tensor__"
    ]
    return [broadcast(config, [*shapes, *constants])]


_REDUCING = {"Mean", "Sum", "Max", "Min", "Prod", "Std", "Var", "All", "Any"}


def _reduced(config: Config, shape: Shape, keep: bool) -> Shape:
    axis = config.get("axis")
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis) % len(shape)
    gone = {int(axis) for axis in axes}
    if keep:
        return tuple(1 if n in gone else size for n, size in enumerate(shape))
    return tuple(size for n, size in enumerate(shape) if n not in gone)


def _reshaped(target: Sequence[int], shape: Shape) -> Shape:
    sizes: list[int | None] = list(target)
    if -1 in sizes:
        rest = math.prod(size or 1 for size in sizes if size != -1)
        total = None if None in shape else math.prod(size or 0 for size in shape)
        sizes[sizes.index(-1)] = None if total is None else total // rest
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
    for length in sizes:
        result = list(shape)
        result[axis] = length
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

    return view[tuple(part(argument) for argument in args[1])]


_VIEWS: dict[str, Callable[[Any, Config, Sequence[Any]], Any]] = {
    "GetItem": _index,
    "Transpose": lambda view, config, _: np.transpose(view, config.get("axes")),
    "ExpandDims": lambda view, config, _: np.expand_dims(view, config["axis"]),
    "Squeeze": lambda view, config, _: np.squeeze(
        view,
        tuple(axis) if isinstance(axis := config.get("axis"), list) else axis,
    ),
}
