"""What an affine map passes on its way to a linear layer.

A carrier is a layer or an operator without weights of its own that does not mix what
the map tells apart. With f the carrier, s * f(x) + t = f(s' * x + t'). Backward, a map
of its output becomes one of each input; forward, the maps of its inputs become one of
its output. Where that is not so, `CannotCarry` says why.

One entry of `LAYERS` or `OPERATORS` is all that a class needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.folding.affine import IDENTITY, Affine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kerasbn.folding.affine import Float64
    from kerasbn.graph import Call, Flow
    from kerasbn.graph.model import Shape


class CannotCarry(Exception):  # noqa: N818 - it is control flow, not an error
    """Why a map does not pass, to follow the name of the layer."""


@dataclass(frozen=True)
class Site:
    """A call of a carrier: what it is asked about.

    Attributes:
        call: the call.
        inputs: the shape of one sample of each input, where it is known.
        output: the shape of one sample of the output, where it is known.
        variables: what the layer stores in the file.
    """

    call: Call
    inputs: tuple[Shape | None, ...]
    output: Shape | None
    variables: Callable[[], Sequence[NDArray[Any]]]

    @classmethod
    def of(
        cls, call: Call, flow: Flow, variables: Callable[[], Sequence[NDArray[Any]]]
    ) -> Site:
        """The site of a call in a flow."""
        inputs = tuple(map(flow.sample_shape, call.inputs))
        return cls(call, inputs, flow.sample_shape(call.output), variables)

    @property
    def config(self) -> Mapping[str, Any]:
        """The layer's configuration."""
        return self.call.layer.config

    @property
    def rank(self) -> int:
        """The rank of one sample of the first input."""
        return len(known(self.inputs[0]))

    def axis(self, value: int) -> int:
        """An axis of the input with the batch, counted from the end.

        Raises:
            CannotCarry: if it is the batch.
        """
        axis = value if value < 0 else value - self.rank - 1
        if not -self.rank <= axis < 0:
            raise CannotCarry("works along the batch")
        return axis


@dataclass(frozen=True)
class Carrier:
    """How a class lets affine maps pass.

    Attributes:
        backward: (site, map of the output) -> the map of each input.
        forward: (site, map of each input) -> the map of the output.
    """

    backward: Callable[[Site, Affine], Sequence[Affine]]
    forward: Callable[[Site, Sequence[Affine]], Affine]


def carrier(call: Call) -> Carrier | None:
    """How what is called lets maps pass; None if it does not."""
    layer = call.layer
    if layer.entry.is_operator:
        return OPERATORS.get(layer.class_name)
    return LAYERS.get(layer.kind or "")


def known(shape: Shape | None) -> Shape:
    """A shape that must be known at least in its rank.

    Raises:
        CannotCarry: if it is not.
    """
    if shape is None:
        raise CannotCarry(
            "reads a tensor whose shape the file does not tell (a .keras file does)"
        )
    return shape


# One tensor in, one out: the same function says both ways.


def _single(
    backward: Callable[[Site, Affine], Affine],
    forward: Callable[[Site, Affine], Affine] | None = None,
) -> Carrier:
    onward = forward or backward
    return Carrier(
        lambda site, affine: [backward(site, affine)],
        lambda site, affines: onward(site, affines[0]),
    )


def _unchanged(site: Site, affine: Affine) -> Affine:
    """What does nothing at inference."""
    if site.call.training:
        raise CannotCarry("is called with training=True")
    return affine


def _activation(site: Site, affine: Affine) -> Affine:
    if site.config.get("activation") != "linear":
        raise CannotCarry("is not linear")
    return affine


# Layers that move over space. Each channel must be treated alike everywhere.


def _check_space(site: Site, affine: Affine, spatial: int) -> None:
    first = site.config.get("data_format") == "channels_first"
    space = range(-spatial, 0) if first else range(-1 - spatial, -1)
    if set(affine.axes) & set(space):
        raise CannotCarry("mixes places that the BN tells apart")


def _sizes(value: Any) -> list[int]:
    """Numbers, however they are nested: `[[1, 1], [2, 2]]`."""
    if isinstance(value, list | tuple):
        return [size for item in value for size in _sizes(item)]
    return [value]


def _averaging(spatial: int) -> Carrier:
    """A weighted mean whose weights sum to 1, at the border, too."""

    def passed(site: Site, affine: Affine) -> Affine:
        _check_space(site, affine, spatial)
        return affine

    return _single(passed)


def _max_pooling(spatial: int) -> Carrier:
    def passed(site: Site, affine: Affine) -> Affine:
        if set(_sizes(site.config.get("pool_size", 2))) != {1}:
            _check_increasing(affine)
        _check_space(site, affine, spatial)
        return affine

    return _single(passed)


def _check_increasing(affine: Affine) -> None:
    if not affine.is_increasing:
        raise CannotCarry("takes a maximum, and a scale of the BN is negative")


def _zero_padding(spatial: int) -> Carrier:
    def passed(site: Site, affine: Affine) -> Affine:
        if affine.has_shift and any(_sizes(site.config.get("padding", 1))):
            raise CannotCarry("pads with zeros, which the BN shifts")
        _check_space(site, affine, spatial)
        return affine

    return _single(passed)


def _cropping(spatial: int) -> Carrier:
    def cuts(site: Site) -> list[tuple[int, int, int]]:
        """Each axis from the end, and how much goes before and behind."""
        first = site.config.get("data_format") == "channels_first"
        both = np.reshape(_sizes(site.config["cropping"]), (-1, 2)).tolist()
        start = -spatial if first else -1 - spatial
        return [(start + i, before, behind) for i, (before, behind) in enumerate(both)]

    def backward(site: Site, affine: Affine) -> Affine:
        """What is cut away may get any map; it gets the nearest place's."""

        def grown(values: Float64) -> Float64:
            widths = [(0, 0)] * values.ndim
            for axis, before, behind in cuts(site):
                if -axis <= values.ndim and values.shape[axis] > 1:
                    widths[axis] = (before, behind)
            return np.pad(values, widths, mode="edge")

        return affine.each(grown)

    def forward(site: Site, affine: Affine) -> Affine:
        def cut(values: Float64) -> Float64:
            parts = [slice(None)] * values.ndim
            for axis, before, behind in cuts(site):
                if -axis <= values.ndim and values.shape[axis] > 1:
                    parts[axis] = slice(before, values.shape[axis] - behind)
            return values[tuple(parts)]

        return affine.each(cut)

    return _single(backward, forward)


# Layers and operators that reduce whole axes.


def _reducing(axes: Callable[[Site], Sequence[int]], *, maximum: bool) -> Carrier:
    """A mean or a maximum over `axes`, which are counted from the end."""

    def check(affine: Affine) -> None:
        if maximum:
            _check_increasing(affine)

    def backward(site: Site, affine: Affine) -> Affine:
        check(affine)
        if site.config.get("keepdims"):
            return affine
        places = [axis + site.rank for axis in sorted(axes(site))]
        rank = site.rank - len(places)
        return affine.each(lambda values: _insert(_of_rank(values, rank), places))

    def forward(site: Site, affine: Affine) -> Affine:
        check(affine)
        reduced = tuple(axes(site))
        if set(affine.axes) & set(reduced):
            raise CannotCarry("mixes places that the BN tells apart")
        if site.config.get("keepdims"):
            return affine
        return affine.each(lambda values: _of_rank(values, site.rank).squeeze(reduced))

    return _single(backward, forward)


def _insert(values: Float64, places: Sequence[int]) -> Float64:
    for place in places:
        values = np.expand_dims(values, place)
    return values


def _of_rank(values: Float64, rank: int) -> Float64:
    return values.reshape((1,) * (rank - values.ndim) + values.shape)


def _all_of_space(site: Site) -> Sequence[int]:
    if site.config.get("data_format") == "channels_first":
        return range(1 - site.rank, 0)
    return range(-site.rank, -1)


def _axis_argument(site: Site) -> Sequence[int]:
    axes = site.config.get("axis")
    if axes is None:
        raise CannotCarry("works along the batch")
    return [site.axis(axis) for axis in _sizes(axes)]


# Layers and operators that put the same values into another order or shape.


def _reshaping() -> Carrier:
    def moved(values: Float64, before: Shape | None, after: Shape | None) -> Float64:
        if before is None or after is None:
            known(None)
        same = 0
        for one, other in zip(before[::-1], after[::-1], strict=False):  # type: ignore[index]
            if one is None or one != other:
                break
            same += 1
        if values.ndim <= same:  # The axes that the map tells apart stay as they are.
            return values
        if None in (*before, *after):  # type: ignore[misc]
            raise CannotCarry("reshapes axes of unknown size")
        return np.broadcast_to(values, before).reshape(after)  # type: ignore[arg-type]

    def backward(site: Site, affine: Affine) -> Affine:
        one, other = site.output, site.inputs[0]
        return affine.each(lambda values: moved(values, one, other)).simplified()

    def forward(site: Site, affine: Affine) -> Affine:
        one, other = site.inputs[0], site.output
        return affine.each(lambda values: moved(values, one, other)).simplified()

    return _single(backward, forward)


def _flattening() -> Carrier:
    """A reshape; channels-first data are put into channels-last order before."""
    reshaping = _reshaping()

    def turned(site: Site) -> Site:
        shape = known(site.inputs[0])
        return Site(site.call, ((*shape[1:], shape[0]),), site.output, site.variables)

    def is_turned(site: Site) -> bool:
        first = site.config.get("data_format") == "channels_first"
        return first and len(known(site.inputs[0])) > 1

    def backward(site: Site, affine: Affine) -> Affine:
        if not is_turned(site):
            return reshaping.backward(site, affine)[0]
        (affine,) = reshaping.backward(turned(site), affine)
        return affine.each(lambda v: np.moveaxis(_of_rank(v, site.rank), -1, 0))

    def forward(site: Site, affine: Affine) -> Affine:
        if not is_turned(site):
            return reshaping.forward(site, [affine])
        affine = affine.each(lambda v: np.moveaxis(_of_rank(v, site.rank), 0, -1))
        return reshaping.forward(turned(site), [affine])

    return _single(backward, forward)


def _permuting(order: Callable[[Site], Sequence[int]]) -> Carrier:
    """`order` gives, for each axis of an output sample, the axis of the input."""

    def backward(site: Site, affine: Affine) -> Affine:
        back = np.argsort(order(site))
        return affine.each(lambda v: _of_rank(v, site.rank).transpose(back))

    def forward(site: Site, affine: Affine) -> Affine:
        return affine.each(lambda v: _of_rank(v, site.rank).transpose(order(site)))

    return _single(backward, forward)


def _order_of_permute(site: Site) -> Sequence[int]:
    return [axis - 1 for axis in site.config["dims"]]


def _order_of_transpose(site: Site) -> Sequence[int]:
    return _without_batch(site.config.get("axes") or range(site.rank, -1, -1))


def _order_of_swapaxes(site: Site) -> Sequence[int]:
    order = list(range(site.rank + 1))
    one, other = site.config["axis1"], site.config["axis2"]
    order[one], order[other] = order[other], order[one]
    return _without_batch(order)


def _order_of_moveaxis(site: Site) -> Sequence[int]:
    # Each axis of this array has its own number as its size.
    numbered = np.empty(range(site.rank + 1))
    config = site.config
    return _without_batch(
        np.moveaxis(numbered, config["source"], config["destination"]).shape
    )


def _without_batch(order: Sequence[int]) -> Sequence[int]:
    if order[0] != 0:
        raise CannotCarry("moves the batch")
    return [axis - 1 for axis in order[1:]]


# Several tensors in, one out.


def _joining() -> Carrier:
    """Concatenation: each input has its own stretch of the axis."""

    def stretches(site: Site) -> tuple[int, list[int]]:
        axis = site.axis(site.config.get("axis", -1))
        if any(len(known(shape)) != site.rank for shape in site.inputs):
            raise CannotCarry("joins tensors of different ranks")
        sizes = [known(shape)[axis] for shape in site.inputs]
        if not sizes or None in sizes:
            raise CannotCarry("joins along an axis of unknown size")
        return axis, [size for size in sizes if size is not None]

    def backward(site: Site, affine: Affine) -> Sequence[Affine]:
        axis, sizes = stretches(site)
        ends = np.cumsum(sizes)[:-1]

        def split(values: Float64) -> list[Float64]:
            if -axis > values.ndim or values.shape[axis] == 1:
                return [values] * len(sizes)
            return np.split(values, ends, axis)

        return [
            Affine(scale, shift)
            for scale, shift in zip(split(affine.scale), split(affine.shift), strict=True)
        ]

    def forward(site: Site, affines: Sequence[Affine]) -> Affine:
        axis, sizes = stretches(site)

        def joined(parts: Sequence[Float64]) -> Float64:
            full = [_of_rank(part, site.rank) for part in parts]
            shape = np.broadcast_shapes(*(_with(p.shape, axis, 1) for p in full))
            return np.concatenate(
                [
                    np.broadcast_to(part, _with(shape, axis, size))
                    for part, size in zip(full, sizes, strict=True)
                ],
                axis,
            )

        return Affine(
            joined([affine.scale for affine in affines]),
            joined([affine.shift for affine in affines]),
        )

    return Carrier(backward, forward)


def _with(shape: Sequence[int], axis: int, size: int) -> tuple[int, ...]:
    changed = list(shape)
    changed[axis] = size
    return tuple(changed)


def _check_alike(site: Site, affine: Affine) -> None:
    """No input may be stretched where the map differs."""
    for shape in site.inputs:
        if len(known(shape)) != site.rank:
            raise CannotCarry("joins tensors of different ranks")
        if any(known(shape)[axis] == 1 for axis in affine.axes):
            raise CannotCarry("stretches an input along an axis of the BN")


def _weighted_sum(signs: Callable[[Site], Sequence[float]], *, mean: bool) -> Carrier:
    """The sum of all inputs, each with a sign, or their mean."""

    def backward(site: Site, affine: Affine) -> Sequence[Affine]:
        """The scale goes to each input, the shift to the first (of a mean to all)."""
        _check_alike(site, affine)
        if mean:
            return [affine] * len(site.inputs)
        weights, first = signs(site), site.call.inputs[0]
        # The same tensor more than once: each time a part of the shift.
        total = sum(
            weight
            for weight, value in zip(weights, site.call.inputs, strict=True)
            if value == first
        )
        if not total:
            raise CannotCarry("subtracts a tensor from itself")
        return [
            Affine(affine.scale, affine.shift / total if value == first else np.zeros(()))
            for value in site.call.inputs
        ]

    def forward(site: Site, affines: Sequence[Affine]) -> Affine:
        scale = affines[0].scale
        for affine, shape in zip(affines, site.inputs, strict=True):
            if len(known(shape)) != site.rank:
                raise CannotCarry("joins tensors of different ranks")
            if not _is_same(affine.scale, scale):
                raise CannotCarry("adds what the BN does not scale alike")
        weights = [1 / len(affines)] * len(affines) if mean else signs(site)
        shift = sum(w * a.shift for w, a in zip(weights, affines, strict=True))
        return Affine(scale, np.asarray(shift, np.float64))

    return Carrier(backward, forward)


def _is_same(one: Float64, other: Float64) -> bool:
    return bool((one == other).all())


def _all_plus(site: Site) -> Sequence[float]:
    return [1.0] * len(site.inputs)


def _plus_minus(_: Site) -> Sequence[float]:
    return [1.0, -1.0]


def _extreme() -> Carrier:
    """The maximum or minimum of all inputs."""

    def backward(site: Site, affine: Affine) -> Sequence[Affine]:
        _check_increasing(affine)
        _check_alike(site, affine)
        return [affine] * len(site.inputs)

    def forward(site: Site, affines: Sequence[Affine]) -> Affine:
        _check_increasing(affines[0])
        if not all(affine.equals(affines[0]) for affine in affines):
            raise CannotCarry("compares what the BN does not map alike")
        _check_alike(site, affines[0])
        return affines[0]

    return Carrier(backward, forward)


# Layers and operators that are affine themselves: f(x) = a * x + b, with a and b fixed.


def _fixed(function: Callable[[Site], Affine]) -> Carrier:
    def backward(site: Site, affine: Affine) -> Affine:
        """The map m' with f(m'(x)) = m(f(x))."""
        own = function(site)
        if not own.is_invertible:
            raise CannotCarry("multiplies by zero")
        return own.inverse().after(affine).after(own)

    def forward(site: Site, affine: Affine) -> Affine:
        """The map m' with m'(f(x)) = f(m(x)), which needs no inverse of f."""
        own = function(site)
        passed = own.after(affine)
        return Affine(affine.scale, passed.shift - affine.scale * own.shift)

    return _single(backward, forward)


def _rescaling(site: Site) -> Affine:
    scale = _constant(site, site.config.get("scale", 1.0))
    return Affine(scale, _constant(site, site.config.get("offset", 0.0)))


_SMALLEST_DEVIATION = 1e-7  # `keras.backend.epsilon()`, by which Keras limits it.


def _normalization(site: Site) -> Affine:
    """`keras.layers.Normalization`, adapted or with the given mean and variance."""
    axes = site.config.get("axis")
    axes = sorted(site.axis(axis) for axis in ([] if axes is None else _sizes(axes)))
    if site.config.get("mean") is not None:
        mean, variance = site.config["mean"], site.config["variance"]
    else:
        stored = list(site.variables())
        if len(stored) < 2:
            raise CannotCarry("has not been adapted")
        mean, variance = stored[:2]
    deviation = np.maximum(np.sqrt(_numbers(variance)), _SMALLEST_DEVIATION)
    shape = [known(site.inputs[0])[axis] if axis in axes else 1 for axis in _all(axes)]
    if None in shape:
        raise CannotCarry("normalizes along an axis of unknown size")
    mean, deviation = (
        np.broadcast_to(np.reshape(v, shape) if np.size(v) > 1 else v, shape)
        for v in (_numbers(mean), deviation)
    )
    if site.config.get("invert"):
        return Affine(deviation, mean)
    return Affine(1 / deviation, -mean / deviation)


def _all(axes: Sequence[int]) -> range:
    return range(min(axes, default=0), 0)


def _numbers(value: Any) -> Float64:
    """Numbers from a configuration, as Keras writes arrays there, or from a file."""
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        value = value["config"]["value"]
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise CannotCarry("has an argument that is no number") from error


def _constant(site: Site, value: Any) -> Float64:
    """A constant operand, broadcastable to one sample without stretching it."""
    values, shape = _numbers(value), known(site.inputs[0])
    if values.ndim == len(shape) + 1 and len(values) == 1:
        values = values[0]  # An axis for the batch.
    if values.ndim > len(shape) or any(
        size not in (1, shape[axis])
        for axis, size in zip(range(-values.ndim, 0), values.shape, strict=True)
    ):
        raise CannotCarry("has a constant of another shape than its input")
    return values


def _operands(site: Site) -> list[Any]:
    """The two operands of an operator, serialised."""
    node = site.call.node
    operands = [*node.args, *(node.kwargs[k] for k in ("x1", "x2") if k in node.kwargs)]
    if len(operands) != 2:
        raise CannotCarry("has an unusual number of operands")
    return operands


def _arithmetic(
    function: Callable[[Float64, bool], Affine], several: Carrier | None = None
) -> Carrier:
    """An operator with a constant, or, by `several`, between tensors.

    `function` takes the constant, and whether it is the first operand.
    """

    def own(site: Site) -> Affine:
        one, other = _operands(site)
        first = not _is_tensor(one)
        return function(_constant(site, one if first else other), first)

    fixed = _fixed(own)

    def way(site: Site) -> Carrier:
        if len(site.inputs) == 1:
            return fixed
        if several is None:
            raise CannotCarry("multiplies or divides two tensors")
        return several

    return Carrier(
        lambda site, affine: way(site).backward(site, affine),
        lambda site, affines: way(site).forward(site, affines),
    )


def _is_tensor(operand: Any) -> bool:
    return isinstance(operand, dict) and operand.get("class_name") == "__keras_tensor__"


def _quotient(constant: Float64, first: bool) -> Affine:
    if first:
        raise CannotCarry("divides by what it reads")
    with np.errstate(divide="ignore"):
        return Affine(1 / constant, np.zeros(()))


_ONE, _ZERO = np.ones(()), np.zeros(())
_SAME = _single(_unchanged)
_SUM = _weighted_sum(_all_plus, mean=False)
_DIFFERENCE = _weighted_sum(_plus_minus, mean=False)

LAYERS = {
    **dict.fromkeys(
        (
            *("Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D"),
            *("SpatialDropout3D", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
        ),
        _SAME,
    ),
    "Activation": _single(_activation),
    "Flatten": _flattening(),
    "Reshape": _reshaping(),
    "Permute": _permuting(_order_of_permute),
    **{f"Cropping{n}D": _cropping(n) for n in (1, 2, 3)},
    **{f"UpSampling{n}D": _averaging(n) for n in (1, 2, 3)},
    **{f"AveragePooling{n}D": _averaging(n) for n in (1, 2, 3)},
    **{f"MaxPooling{n}D": _max_pooling(n) for n in (1, 2, 3)},
    **{f"ZeroPadding{n}D": _zero_padding(n) for n in (1, 2, 3)},
    **{
        f"GlobalAveragePooling{n}D": _reducing(_all_of_space, maximum=False)
        for n in (1, 2, 3)
    },
    **{
        f"GlobalMaxPooling{n}D": _reducing(_all_of_space, maximum=True)
        for n in (1, 2, 3)
    },
    "Concatenate": _joining(),
    "Add": _SUM,
    "Subtract": _DIFFERENCE,
    "Average": _weighted_sum(_all_plus, mean=True),
    "Maximum": _extreme(),
    "Minimum": _extreme(),
    "Rescaling": _fixed(_rescaling),
    "Normalization": _fixed(_normalization),
}
"""Layer class -> how it lets maps pass. The names are those of `keras.layers`."""

OPERATORS = {
    "Identity": _SAME,
    "StopGradient": _SAME,
    "Reshape": _reshaping(),
    "Transpose": _permuting(_order_of_transpose),
    "Swapaxes": _permuting(_order_of_swapaxes),
    "Moveaxis": _permuting(_order_of_moveaxis),
    "Mean": _reducing(_axis_argument, maximum=False),
    "Max": _reducing(_axis_argument, maximum=True),
    "Concatenate": _joining(),
    "Add": _arithmetic(lambda c, _: Affine(_ONE, c), _SUM),
    "Subtract": _arithmetic(
        lambda c, first: Affine(-_ONE, c) if first else Affine(_ONE, -c), _DIFFERENCE
    ),
    "Multiply": _arithmetic(lambda c, _: Affine(c, _ZERO)),
    "TrueDivide": _arithmetic(_quotient),
    "Divide": _arithmetic(_quotient),
    "Negative": _fixed(lambda _: Affine(-_ONE, _ZERO)),
    "Maximum": _arithmetic(lambda c, first: _no_constant(), _extreme()),
    "Minimum": _arithmetic(lambda c, first: _no_constant(), _extreme()),
}
"""Operator class -> how it lets maps pass. The names are those of `keras.ops`."""


def _no_constant() -> Affine:
    raise CannotCarry("cuts off at a constant")
