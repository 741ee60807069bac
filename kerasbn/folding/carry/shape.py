"""Carriers that reorder or reshape the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerasbn.folding.carry.base import (
    CannotCarry,
    Carrier,
    Site,
    check_size,
    known,
    of_rank,
    single,
    sizes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kerasbn.folding.affine import Affine, Float64
    from kerasbn.graph.model import Shape


def reshaping() -> Carrier:
    """A new shape with the values in the same order."""

    def moved(values: Float64, before: Shape | None, after: Shape | None) -> Float64:
        before, after = known(before), known(after)
        same = 0
        for one, other in zip(before[::-1], after[::-1], strict=False):
            if one is None or one != other:
                break
            same += 1
        if values.ndim <= same:  # The axes along which the map differs are kept.
            return values
        sizes = [size for size in before if size is not None]
        if len(sizes) < len(before) or None in after:
            raise CannotCarry("reshapes axes of unknown size")
        check_size(sizes)
        return np.broadcast_to(values, sizes).reshape([size or 0 for size in after])

    def backward(site: Site, affine: Affine) -> Affine:
        one, other = site.output, site.inputs[0]
        return affine.each(lambda values: moved(values, one, other)).simplified()

    def forward(site: Site, affine: Affine) -> Affine:
        one, other = site.inputs[0], site.output
        return affine.each(lambda values: moved(values, one, other)).simplified()

    return single(backward, forward)


def flattening() -> Carrier:
    """A reshape; channels-first data are first put into channels-last order."""
    plain = reshaping()

    def turned(site: Site) -> Site:
        shape = known(site.inputs[0])
        return Site(site.call, ((*shape[1:], shape[0]),), site.output, site.variables)

    def is_turned(site: Site) -> bool:
        first = site.config.get("data_format") == "channels_first"
        return first and len(known(site.inputs[0])) > 1

    def backward(site: Site, affine: Affine) -> Affine:
        if not is_turned(site):
            return plain.backward(site, affine)[0]
        (affine,) = plain.backward(turned(site), affine)
        return affine.each(lambda v: np.moveaxis(of_rank(v, site.rank), -1, 0))

    def forward(site: Site, affine: Affine) -> Affine:
        if not is_turned(site):
            return plain.forward(site, [affine])
        affine = affine.each(lambda v: np.moveaxis(of_rank(v, site.rank), 0, -1))
        return plain.forward(turned(site), [affine])

    return single(backward, forward)


def expanding() -> Carrier:
    """Insertion of axes of size 1."""
    return single(_without_axes, _with_axes)


def squeezing() -> Carrier:
    """Removal of axes of size 1."""

    def places(site: Site) -> list[int]:
        if site.config.get("axis") is None:
            raise CannotCarry("drops whichever axes have size 1")
        return [site.axis(axis) for axis in sizes(site.config["axis"])]

    def forward(site: Site, affine: Affine) -> Affine:
        gone = tuple(places(site))
        return affine.each(lambda v: of_rank(v, site.rank).squeeze(gone))

    def backward(site: Site, affine: Affine) -> Affine:
        added = sorted(axis + site.rank for axis in places(site))
        rank = site.rank - len(added)
        return affine.each(lambda v: np.expand_dims(of_rank(v, rank), added))

    return single(backward, forward)


def _with_axes(site: Site, affine: Affine) -> Affine:
    added = _added_axes(site)
    return affine.each(lambda v: np.expand_dims(of_rank(v, site.rank), added))


def _without_axes(site: Site, affine: Affine) -> Affine:
    added = _added_axes(site)
    rank = site.rank + len(added)
    return affine.each(lambda v: of_rank(v, rank).squeeze(added))


def _added_axes(site: Site) -> tuple[int, ...]:
    """The axes that only an output sample has."""
    axes = sizes(site.config["axis"])
    rank = site.rank + 1 + len(axes)
    found = tuple(axis % rank - 1 for axis in axes)
    if min(found) < 0:
        raise CannotCarry("adds an axis before the batch")
    return found


def permuting(order: Callable[[Site], Sequence[int]]) -> Carrier:
    """A permutation; `order` gives the input axis for each axis of an output sample."""

    def backward(site: Site, affine: Affine) -> Affine:
        back = np.argsort(order(site))
        return affine.each(lambda v: of_rank(v, site.rank).transpose(back))

    def forward(site: Site, affine: Affine) -> Affine:
        return affine.each(lambda v: of_rank(v, site.rank).transpose(order(site)))

    return single(backward, forward)


def order_of_permute(site: Site) -> Sequence[int]:
    """The order of `keras.layers.Permute`, whose `dims` count from 1."""
    return [axis - 1 for axis in site.config["dims"]]


def order_of_transpose(site: Site) -> Sequence[int]:
    """The order of `keras.ops.transpose`, which by default reverses all axes."""
    return _without_batch(site.config.get("axes") or range(site.rank, -1, -1))


def order_of_swapaxes(site: Site) -> Sequence[int]:
    """The order of `keras.ops.swapaxes`."""
    order = list(range(site.rank + 1))
    one, other = site.config["axis1"], site.config["axis2"]
    order[one], order[other] = order[other], order[one]
    return _without_batch(order)


def order_of_moveaxis(site: Site) -> Sequence[int]:
    """The order of `keras.ops.moveaxis`."""
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
