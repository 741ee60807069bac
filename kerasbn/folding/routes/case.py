"""One BN in its model, as both directions of the search see it."""

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
    """A BN that may go, and what there is to know of its model.

    Attributes:
        batch_norm: the BN.
        affines: what each BN that may go or absorb does, by path.
        flow: the calls of the model.
        archive: the file.
        gone: the paths of the BN that have gone already.
        constants: path of a layer -> the constants that have changed already.
    """

    batch_norm: Layer
    affines: Mapping[str, Affine]
    flow: Flow
    archive: Archive
    gone: Collection[str]
    constants: Mapping[str, Mapping[Argument, Float64]]

    @property
    def affine(self) -> Affine:
        """What the BN does."""
        return self.affines[self.batch_norm.path]

    @property
    def own_calls(self) -> list[Call]:
        """The calls of the BN."""
        return self.flow.calls_of[self.batch_norm.path]

    def absorbs(self, call: Call) -> bool:
        """Whether what is called is a linear layer, or a BN that has not gone."""
        layer = call.layer
        if layer.path in self.gone or layer.entry.is_operator:
            return False
        return layer.is_batch_norm or linear_entry(layer) is not None

    def site(self, call: Call) -> Site:
        """A call of a carrier.

        Raises:
            Obstacle: if it computes in another dtype than the BN.
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
    """Turn what a carrier raises into an obstacle; a file may hold any arguments."""
    try:
        with np.errstate(all="ignore"):  # What is not finite is found in the end.
            yield
    except CannotCarry as reason:
        raise Obstacle(f"{place}, which {reason}") from reason
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Obstacle(f"{place}, whose arguments make no sense") from error
