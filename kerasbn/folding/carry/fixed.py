"""Carriers that are affine themselves: f(x) = a * x + b, with a and b fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.folding.affine import Affine
from kerasbn.folding.carry.base import (
    CannotCarry,
    Carrier,
    Site,
    Term,
    known,
    single,
    sizes,
)
from kerasbn.folding.carry.terms import dtype_of
from kerasbn.graph.reading import is_serialised_tensor
from kerasbn.graph.rewriting import Argument

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kerasbn.folding.affine import Float64


def fixed(function: Callable[[Site], Affine]) -> Carrier:
    """A carrier that computes the map which `function` returns for its site."""

    def backward(site: Site, affine: Affine) -> Affine:
        """The map m' with f(m'(x)) = m(f(x)), which has the same scale as m."""
        own = function(site)
        shift = affine.scale * own.shift + affine.shift - own.shift
        if not shift.any():
            return Affine(affine.scale, np.zeros(()))
        if not own.is_invertible:
            raise CannotCarry("multiplies by zero")
        return Affine(affine.scale, shift / own.scale)

    def forward(site: Site, affine: Affine) -> Affine:
        """The map m' with m'(f(x)) = f(m(x)), which needs no inverse of f."""
        own = function(site)
        passed = own.after(affine)
        return Affine(affine.scale, passed.shift - affine.scale * own.shift)

    return single(backward, forward)


def rescaling(site: Site) -> Affine:
    """`keras.layers.Rescaling`."""
    scale = _constant(site, site.config.get("scale", 1.0))
    return Affine(scale, _constant(site, site.config.get("offset", 0.0)))


_SMALLEST_DEVIATION = 1e-7  # `keras.backend.epsilon()`, Keras' lower limit for it.


def normalization(site: Site) -> Affine:
    """`keras.layers.Normalization`, adapted or with a given mean and variance."""
    axes = site.config.get("axis")
    axes = sorted(site.axis(axis) for axis in ([] if axes is None else sizes(axes)))
    if site.config.get("mean") is not None:
        mean, variance = site.config["mean"], site.config["variance"]
    else:
        stored = list(site.variables())
        if len(stored) < 2:
            raise CannotCarry("has not been adapted")
        mean, variance = stored[:2]
    deviation = np.maximum(np.sqrt(_numbers(variance)), _SMALLEST_DEVIATION)
    input_shape = known(site.inputs[0])
    shape = [input_shape[axis] or 0 if axis in axes else 1 for axis in _all(axes)]
    if 0 in shape:
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
    """Convert numbers from a configuration, as Keras writes arrays, or from a file."""
    if isinstance(value, dict) and value.get("class_name") in (
        "__numpy__",
        "__tensor__",
    ):
        value = value["config"]["value"]
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise CannotCarry("has an argument that is not a number") from error


def _constant(site: Site, value: Any) -> Float64:
    """A constant operand that broadcasts to one sample without stretching it."""
    values = _sample(site, value)
    shape = known(site.inputs[0])
    if any(
        size not in (1, shape[axis])
        for axis, size in zip(range(-values.ndim, 0), values.shape, strict=True)
    ):
        raise CannotCarry("has a constant whose shape does not fit its input")
    return values


def _sample(site: Site, value: Any) -> Float64:
    """A constant operand without a batch axis."""
    values, shape = _numbers(value), known(site.inputs[0])
    if values.ndim == len(shape) + 1 and len(values) == 1:
        return values[0]
    if values.ndim > len(shape):
        raise CannotCarry("has a constant whose shape does not fit its input")
    return values


def _operand(site: Site) -> tuple[Argument, Any, bool]:
    """The only constant that is combined with a tensor, and whether it comes first."""
    operands = site.call.node.operands
    constants = [
        operand for operand in operands if not is_serialised_tensor(operand.value)
    ]
    if len(operands) != 2 or len(constants) != 1:
        raise CannotCarry("combines a constant with other than one tensor")
    (constant,) = constants
    argument = Argument(site.call.node.call, constant.place)
    value = site.constants.get(argument, constant.value)
    in_list = len(constant.place) > 2
    if in_list and _numbers(value).ndim <= site.rank:
        # A merging layer takes the first axis for the batch, whatever it is.
        raise CannotCarry("has a constant without a batch axis")
    return argument, value, constant is operands[0]


def _has_constants(site: Site) -> bool:
    return len(site.call.node.operands) > len(site.inputs)


def of_tensors(carrier: Carrier) -> Carrier:
    """A carrier that joins tensors, but may be called with a constant among them."""

    def check(site: Site) -> Carrier:
        if _has_constants(site):
            raise CannotCarry("combines its inputs with a constant")
        return carrier

    return Carrier(
        lambda site, affine: check(site).backward(site, affine),
        lambda site, affines: check(site).forward(site, affines),
    )


def arithmetic(
    function: Callable[[Float64, bool], Affine],
    several: Carrier | None = None,
    signs: tuple[int, int] | None = None,
) -> Carrier:
    """An operator with a constant, or, through `several`, between tensors.

    Args:
        function: takes the constant, and whether it is the first operand.
        several: the carrier that joins tensors.
        signs: the signs of both operands, if it is a sum.
    """

    def own(site: Site) -> Affine:
        _, value, first = _operand(site)
        return function(_constant(site, value), first)

    alone = fixed(own)

    def way(site: Site) -> Carrier:
        if _has_constants(site):
            return alone
        if several is None:
            raise CannotCarry("multiplies or divides two tensors")
        return several

    def term(site: Site) -> Term | None:
        if signs is None or not _has_constants(site):
            return None
        argument, value, first = _operand(site)
        own, other = signs if first else signs[::-1]
        written = [operand.value for operand in site.call.node.operands]
        dtype = dtype_of(*(written if first else written[::-1]))
        constant = _sample(site, value)
        batched = _numbers(value).ndim > constant.ndim
        return Term(argument, constant, batched, own, other, dtype)

    return Carrier(
        lambda site, affine: way(site).backward(site, affine),
        lambda site, affines: way(site).forward(site, affines),
        term,
    )


def quotient(constant: Float64, first: bool) -> Affine:
    """`x / c`; `c / x` is not affine."""
    if first:
        raise CannotCarry("divides by what it reads")
    if not constant.all():
        raise CannotCarry("divides by zero")
    return Affine(1 / constant, np.zeros(()))


def total(constant: Float64, first: bool) -> Affine:
    """`x + c`, or `c + x`."""
    return Affine(np.ones(()), constant)


def difference(constant: Float64, first: bool) -> Affine:
    """`x - c`, or `c - x`."""
    sign = np.ones(())
    return Affine(-sign, constant) if first else Affine(sign, -constant)


def product(constant: Float64, first: bool) -> Affine:
    """`x * c`, or `c * x`."""
    return Affine(constant, np.zeros(()))


def negative(site: Site) -> Affine:
    """`-x`."""
    return Affine(-np.ones(()), np.zeros(()))


def cut_off(constant: Float64, first: bool) -> Affine:
    """The larger or smaller of `x` and `c`, which is not affine."""
    raise CannotCarry("clips at a constant")
