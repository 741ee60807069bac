"""Carriers that make one tensor from several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerasbn.folding.affine import Affine
from kerasbn.folding.carry.base import (
    CannotCarry,
    Carrier,
    Site,
    check_size,
    known,
    of_rank,
)
from kerasbn.folding.carry.space import check_increasing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kerasbn.folding.affine import Float64


def _joining() -> Carrier:
    """Concatenation: each input has its own section of the axis."""

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
            for scale, shift in zip(
                split(affine.scale), split(affine.shift), strict=True
            )
        ]

    def forward(site: Site, affines: Sequence[Affine]) -> Affine:
        axis, sizes = stretches(site)

        def joined(parts: Sequence[Float64]) -> Float64:
            full = [of_rank(part, site.rank) for part in parts]
            shape = np.broadcast_shapes(*(_with(p.shape, axis, 1) for p in full))
            check_size(_with(shape, axis, sum(sizes)))
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
    """Check that no input is stretched along an axis where the map differs."""
    for shape in site.inputs:
        if len(known(shape)) != site.rank:
            raise CannotCarry("joins tensors of different ranks")
        if any(known(shape)[axis] == 1 for axis in affine.axes):
            raise CannotCarry("stretches an input along an axis of the BN")


def _weighted_sum(signs: Callable[[Site], Sequence[float]], *, mean: bool) -> Carrier:
    """The sum of all inputs, each with a sign, or their mean."""

    def backward(site: Site, affine: Affine) -> Sequence[Affine]:
        """Pass the scale to each input, the shift to the first (to all for a mean)."""
        _check_alike(site, affine)
        if mean:
            return [affine] * len(site.inputs)
        weights, first = signs(site), site.call.inputs[0]
        # A tensor that is read several times gets a part of the shift each time.
        total = sum(
            weight
            for weight, value in zip(weights, site.call.inputs, strict=True)
            if value == first
        )
        if not total:
            raise CannotCarry("subtracts a tensor from itself")
        return [
            Affine(
                affine.scale, affine.shift / total if value == first else np.zeros(())
            )
            for value in site.call.inputs
        ]

    def forward(site: Site, affines: Sequence[Affine]) -> Affine:
        scale = affines[0].scale
        for affine, shape in zip(affines, site.inputs, strict=True):
            if len(known(shape)) != site.rank:
                raise CannotCarry("joins tensors of different ranks")
            if not _is_same(affine.scale, scale):
                raise CannotCarry("adds tensors that the BN does not scale alike")
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
        check_increasing(affine)
        _check_alike(site, affine)
        return [affine] * len(site.inputs)

    def forward(site: Site, affines: Sequence[Affine]) -> Affine:
        check_increasing(affines[0])
        if not all(affine.equals(affines[0]) for affine in affines):
            raise CannotCarry(
                "compares tensors that the BN does not scale and shift alike"
            )
        _check_alike(site, affines[0])
        return affines[0]

    return Carrier(backward, forward)


CONCATENATION = _joining()
SUM = _weighted_sum(_all_plus, mean=False)
DIFFERENCE = _weighted_sum(_plus_minus, mean=False)
MEAN = _weighted_sum(_all_plus, mean=True)
EXTREME = _extreme()
