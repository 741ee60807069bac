"""A BN in its model, as both directions of the search see it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasbn.folding.carry import CannotCarry, Site
from kerasbn.folding.conditions import Obstacle, check_dtypes, linear_entry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from kerasbn.archive import Archive
    from kerasbn.folding.affine import Affine, Float64
    from kerasbn.graph import Argument, Call, Flow, Layer


@dataclass(frozen=True)
class Case:
    """A BN that may go, and the facts about its model.

    Attributes:
        batch_norm: the BN.
        affines: the map of each BN that may go or absorb, by path.
        flow: the calls of the model.
        archive: the file.
        gone: the paths of the BN layers that have already gone.
        constants: path of a layer -> the constants that have already changed.
    """

    batch_norm: Layer
    affines: Mapping[str, Affine]
    flow: Flow
    archive: Archive
    gone: Collection[str]
    constants: Mapping[str, Mapping[Argument, Float64]]

    @property
    def affine(self) -> Affine:
        """The map that the BN computes."""
        return self.affines[self.batch_norm.path]

    @property
    def own_calls(self) -> list[Call]:
        """The calls of the BN."""
        return self.flow.calls_of[self.batch_norm.path]

    def absorbs(self, call: Call) -> bool:
        """Whether a call is that of a linear layer, or of a BN that has not gone."""
        layer = call.layer
        if layer.path in self.gone or layer.entry.is_operator:
            return False
        return layer.is_batch_norm or linear_entry(layer) is not None

    def site(self, call: Call) -> Site:
        """Return the site of a carrier's call.

        Raises:
            Obstacle: if it computes in a dtype other than the BN's.
        """
        check_dtypes(self.batch_norm, call.layer)
        return Site.of(
            call,
            self.flow,
            lambda: [
                stored.read() for stored in self.archive.variables(call.layer.path)
            ],
            self.constants.get(call.layer.path, {}),
        )


@contextmanager
def as_obstacle(place: str) -> Iterator[None]:
    """Turn a carrier's exceptions into obstacles; a file may hold any arguments."""
    try:
        with np.errstate(all="ignore"):  # Non-finite values are found at the end.
            yield
    except CannotCarry as reason:
        raise Obstacle(f"{place}, which {reason}") from reason
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Obstacle(f"{place}, whose arguments are invalid") from error
