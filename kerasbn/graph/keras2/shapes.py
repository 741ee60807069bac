"""The output shapes of layers, which Keras 2 does not save.

Keras 3 saves the shape of every tensor among the arguments of a call, and requires it
for reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerasbn.config_tree import LayerEntry
from kerasbn.graph.keras2.operator_shapes import broadcast, concatenated, of_operator
from kerasbn.graph.model import Layer
from kerasbn.graph.shapes import output_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kerasbn.graph.model import Shape

    Config = Mapping[str, Any]


def output_shapes(
    entry: Mapping[str, Any], shapes: Sequence[Shape | None], args: Sequence[Any] = ()
) -> list[Shape | None]:
    """Return the shapes of a call's outputs; None if they are not known.

    Args:
        entry: the layer or operator, in its Keras 3 form.
        shapes: the shapes of the tensors among its arguments, in flattened order.
        args: its positional arguments, for operators that take more than tensors.
    """
    known = [shape for shape in shapes if shape is not None]
    if not shapes or len(known) < len(shapes):
        return [None]
    kind, config = entry["class_name"], entry["config"]
    try:
        if entry["module"] != "keras.layers":
            return of_operator(kind, config, known, args)
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
        ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), broadcast
    ),
    "Concatenate": concatenated,
    "Dot": _dot,
    "Attention": _attended,
    "AdditiveAttention": _attended,
    "MultiHeadAttention": _merge_of_query,
}


def _recurrent(states: int) -> Callable[[Config, Shape], list[Shape | None]]:
    """Return the shape function of a recurrent layer with so many states."""

    def function(config: Config, shape: Shape) -> list[Shape | None]:
        batch, steps, _ = shape
        state = (batch, config["units"])
        output = (batch, steps, config["units"])
        found = [output if config.get("return_sequences") else state]
        return [*found, *([state] * states if config.get("return_state") else [])]

    return function


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

    def per_axis(key: str, default: int) -> list[int]:
        value = config.get(key)
        value = default if value is None else value
        return list(value) if isinstance(value, list) else [value] * rank

    if config.get("output_padding") is not None or set(
        per_axis("dilation_rate", 1)
    ) != {1}:
        return [None]
    sizes: list[int | None] = []
    for size, kernel, stride in zip(
        space, per_axis("kernel_size", 1), per_axis("strides", 1), strict=True
    ):
        more = max(kernel - stride, 0) if config.get("padding") == "valid" else 0
        sizes.append(None if size is None else size * stride + more)
    channels = config["filters"]
    return [(shape[0], channels, *sizes) if first else (shape[0], *sizes, channels)]


def _sized(config: Config, shape: Shape) -> list[Shape | None]:
    return [(shape[0], config["height"], config["width"], shape[-1])]


def _einsum_dense(config: Config, shape: Shape) -> list[Shape | None]:
    size = config["output_shape"]
    sizes = size if isinstance(size, list) else [size]
    if len(sizes) != len(shape) - 1:
        return [None]
    pairs = zip(sizes, shape[1:], strict=True)
    return [(shape[0], *(old if new is None else new for new, old in pairs))]


def _same(_: Config, shape: Shape) -> list[Shape | None]:
    return [shape]


_LAYERS: dict[str, Callable[[Config, Shape], list[Shape | None]]] = {
    "LSTM": _recurrent(2),
    **dict.fromkeys(("GRU", "SimpleRNN"), _recurrent(1)),
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
    **{f"Conv{rank}DTranspose": _transposed for rank in (1, 2, 3)},
    "Resizing": _sized,
    "CenterCrop": _sized,
    "EinsumDense": _einsum_dense,
    **{
        f"Random{kind}": _same
        for kind in ("Flip", "Rotation", "Zoom", "Translation", "Contrast")
    },
}
