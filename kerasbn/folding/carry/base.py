"""The interface of carriers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasbn.folding.affine import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from kerasbn.folding.affine import Affine, Float64
    from kerasbn.graph import Call, Flow
    from kerasbn.graph.model import Shape
    from kerasbn.graph.rewriting import Argument


_MAX_SIZE = 2**26


class CannotCarry(Exception):  # noqa: N818 - it is control flow, not an error
    """A map does not pass; the message says why, and follows the name of the layer."""


@dataclass(frozen=True)
class Site:
    """A call of a carrier.

    Attributes:
        call: the call.
        inputs: the shape of one sample of each input, if it is known.
        output: the shape of one sample of the output, if it is known.
        variables: the variables that the layer stores in the file.
        constants: those of its arguments that differ from what the file says.
    """

    call: Call
    inputs: tuple[Shape | None, ...]
    output: Shape | None
    variables: Callable[[], Sequence[NDArray[Any]]]
    constants: Mapping[Argument, Float64] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        call: Call,
        flow: Flow,
        variables: Callable[[], Sequence[NDArray[Any]]],
        constants: Mapping[Argument, Float64],
    ) -> Site:
        """The site of a call in a flow."""
        inputs = tuple(map(flow.sample_shape, call.inputs))
        output = flow.sample_shape(call.output)
        return cls(call, inputs, output, variables, constants)

    @property
    def config(self) -> Mapping[str, Any]:
        """The layer's configuration."""
        return self.call.layer.config

    @property
    def rank(self) -> int:
        """The rank of a sample of the first input."""
        return len(known(self.inputs[0]))

    def axis(self, value: int) -> int:
        """Convert an axis of the input with the batch to one counted from the end.

        Raises:
            CannotCarry: if it is the batch.
        """
        axis = value if value < 0 else value - self.rank - 1
        if not -self.rank <= axis < 0:
            raise CannotCarry("works along the batch")
        return axis


class Term(NamedTuple):
    """A constant that is added to a tensor: `sign * x + own_sign * constant`.

    Attributes:
        argument: its place among the arguments.
        constant: its value for one sample.
        batched: whether it is stored with a batch axis.
        own_sign: 1, or -1 if it is subtracted.
        sign: 1, or -1 where the tensor is subtracted from it.
        dtype: the floating dtype in which new values are stored.
    """

    argument: Argument
    constant: Float64
    batched: bool
    own_sign: int
    sign: int
    dtype: str


@dataclass(frozen=True)
class Carrier:
    """The way in which a class passes affine maps on.

    Attributes:
        backward: (site, map of the output) -> the map of each input.
        forward: (site, map of each input) -> the map of the output.
        term: site -> the constant that it adds, which can take in a shift; None if
            there is none.
    """

    backward: Callable[[Site, Affine], Sequence[Affine]]
    forward: Callable[[Site, Sequence[Affine]], Affine]
    term: Callable[[Site], Term | None] = lambda _: None


def known(shape: Shape | None) -> Shape:
    """Return a shape if at least its rank is known.

    Raises:
        CannotCarry: if it is not.
    """
    if shape is None:
        raise CannotCarry(
            "reads a tensor whose shape is not in the file (a .keras file has it)"
        )
    return shape


def check_size(shape: Sequence[int]) -> None:
    """Check that an array of that shape is feasible: a file may declare any size.

    Raises:
        CannotCarry: if it is larger than any real one.
    """
    if math.prod(shape) > _MAX_SIZE:
        raise CannotCarry("has a tensor that is too large")


def single(
    backward: Callable[[Site, Affine], Affine],
    forward: Callable[[Site, Affine], Affine] | None = None,
) -> Carrier:
    """A carrier with one input; without `forward`, `backward` serves both directions.

    Further inputs, such as a mask, must stay as they are.
    """
    onward = forward or backward

    def all_backward(site: Site, affine: Affine) -> Sequence[Affine]:
        if len(site.inputs) > 1:
            raise CannotCarry("is called with more than one tensor")
        return [backward(site, affine)]

    def all_forward(site: Site, affines: Sequence[Affine]) -> Affine:
        if any(other is not IDENTITY for other in affines[1:]):
            raise CannotCarry("is called with more than one tensor")
        return onward(site, affines[0])

    return Carrier(all_backward, all_forward)


def sizes(value: Any) -> list[int]:
    """Return numbers flat, however they are nested: `[[1, 1], [2, 2]]`."""
    if isinstance(value, list | tuple):
        return [size for item in value for size in sizes(item)]
    return [value]


def of_rank(values: Float64, rank: int) -> Float64:
    """Return the values with axes of size 1 in front, up to the rank."""
    return values.reshape((1,) * (rank - values.ndim) + values.shape)
