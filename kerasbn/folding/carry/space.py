"""Carriers that move or mix values over space: pooling, padding, cropping.

Each channel must be treated the same at every place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerasbn.folding.carry.base import (
    CannotCarry,
    Carrier,
    Site,
    check_size,
    of_rank,
    single,
    sizes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kerasbn.folding.affine import Affine, Float64


def _check_space(site: Site, affine: Affine, spatial: int) -> None:
    first = site.config.get("data_format") == "channels_first"
    space = range(-spatial, 0) if first else range(-1 - spatial, -1)
    if set(affine.axes) & set(space):
        raise CannotCarry("mixes places that the BN treats differently")


def averaging(spatial: int) -> Carrier:
    """A weighted mean whose weights sum to 1, also at the border."""

    def passed(site: Site, affine: Affine) -> Affine:
        _check_space(site, affine, spatial)
        return affine

    return single(passed)


def max_pooling(spatial: int) -> Carrier:
    """The maximum over a window, which a negative scale would turn into the minimum."""

    def passed(site: Site, affine: Affine) -> Affine:
        if set(sizes(site.config.get("pool_size", 2))) != {1}:
            check_increasing(affine)
        _check_space(site, affine, spatial)
        return affine

    return single(passed)


def check_increasing(affine: Affine) -> None:
    """Check that the largest value remains the largest.

    Raises:
        CannotCarry: if a scale is negative.
    """
    if not affine.is_increasing:
        raise CannotCarry("takes a maximum, and a scale of the BN is negative")


def zero_padding(spatial: int) -> Carrier:
    """Padding with zeros, which a scale keeps and a shift does not."""

    def passed(site: Site, affine: Affine) -> Affine:
        if affine.has_shift and any(sizes(site.config.get("padding", 1))):
            raise CannotCarry("pads with zeros, which the BN shifts")
        _check_space(site, affine, spatial)
        return affine

    return single(passed)


def cropping(spatial: int) -> Carrier:
    """A smaller part of each axis."""

    def cuts(site: Site) -> list[tuple[int, int, int]]:
        """Return each axis from the end, and how much is cut at its start and end."""
        first = site.config.get("data_format") == "channels_first"
        both = np.reshape(sizes(site.config["cropping"]), (-1, 2)).tolist()
        start = -spatial if first else -1 - spatial
        return [(start + i, before, behind) for i, (before, behind) in enumerate(both)]

    def backward(site: Site, affine: Affine) -> Affine:
        """Extend the map to what is cut away, where any map will do: the nearest."""

        def grown(values: Float64) -> Float64:
            widths = [(0, 0)] * values.ndim
            for axis, before, behind in cuts(site):
                if -axis <= values.ndim and values.shape[axis] > 1:
                    widths[axis] = (before, behind)
            check_size([n + sum(w) for n, w in zip(values.shape, widths, strict=True)])
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

    return single(backward, forward)


def _reducing(axes: Callable[[Site], Sequence[int]], *, maximum: bool) -> Carrier:
    """A mean or a maximum over `axes`, which are counted from the end."""

    def check(affine: Affine) -> None:
        if maximum:
            check_increasing(affine)

    def backward(site: Site, affine: Affine) -> Affine:
        check(affine)
        if site.config.get("keepdims"):
            return affine
        places = [axis + site.rank for axis in sorted(axes(site))]
        rank = site.rank - len(places)
        return affine.each(lambda values: _insert(of_rank(values, rank), places))

    def forward(site: Site, affine: Affine) -> Affine:
        check(affine)
        reduced = tuple(axes(site))
        if set(affine.axes) & set(reduced):
            raise CannotCarry("mixes places that the BN treats differently")
        if site.config.get("keepdims"):
            return affine
        return affine.each(lambda values: of_rank(values, site.rank).squeeze(reduced))

    return single(backward, forward)


def _insert(values: Float64, places: Sequence[int]) -> Float64:
    for place in places:
        values = np.expand_dims(values, place)
    return values


def _all_of_space(site: Site) -> Sequence[int]:
    if site.config.get("data_format") == "channels_first":
        return range(1 - site.rank, 0)
    return range(-site.rank, -1)


def _axis_argument(site: Site) -> Sequence[int]:
    axes = site.config.get("axis")
    if axes is None:
        raise CannotCarry("works along the batch")
    return [site.axis(axis) for axis in sizes(axes)]


GLOBAL_MEAN = _reducing(_all_of_space, maximum=False)
GLOBAL_MAXIMUM = _reducing(_all_of_space, maximum=True)
MEAN = _reducing(_axis_argument, maximum=False)
MAXIMUM = _reducing(_axis_argument, maximum=True)
