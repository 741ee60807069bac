"""The inputs and results of kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Tensor = Any

# From mean, variance, gamma and beta to the gamma and beta of Batch Renormalization.
# The moments count as constants there: no gradient passes through them.
Correction = Callable[
    [Tensor, Tensor, Tensor | None, Tensor | None], tuple[Tensor, Tensor]
]


@dataclass(frozen=True)
class Normalization:
    """The options of a normalization.

    Statistics, gamma and beta all have the *kept shape*, the input's shape along
    `kept`, and the *wide dtype*: float64 if the input is float64, else float32.

    Attributes:
        kept: The kept axes, ascending and not negative.
        epsilon: Positive number.
        gamma: Tensor of the kept shape, or `None` for 1.
        beta: The same, or `None` for 0.
        correction: Computes the gamma and beta to apply to a batch, `None` for none.
    """

    kept: tuple[int, ...]
    epsilon: float
    gamma: Tensor | None = None
    beta: Tensor | None = None
    correction: Correction | None = None

    def affine(
        self, mean: Tensor, variance: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        """The gamma and beta to apply to a batch of these moments."""
        if self.correction is None:
            return self.gamma, self.beta
        return self.correction(mean, variance, self.gamma, self.beta)


class Normalized(NamedTuple):
    """A normalized batch.

    Attributes:
        y: Tensor of the shape and dtype of the input.
        mean: The batch's mean, of the kept shape and the wide dtype. Gradients pass
            through it, and through the variance.
        variance: The batch's biased variance.
        counted: Boolean tensor that broadcasts to the kept shape, false where no
            position was counted and the moments mean nothing; `None` for true
            everywhere.
    """

    y: Tensor
    mean: Tensor
    variance: Tensor
    counted: Tensor | None


class Kernel(Protocol):
    """Batch statistics and normalization, as a module with these functions."""

    def normalize_batch(self, x: Tensor, how: Normalization) -> Normalized:
        """Normalize with the moments of the batch, as `generic.normalize_batch`."""

    def normalize_masked_batch(
        self,
        x: Tensor,
        how: Normalization,
        mask: Tensor,
        substitute: tuple[Tensor, Tensor],
    ) -> Normalized:
        """Normalize with those of a part, as `generic.normalize_masked_batch`."""

    def normalize(
        self, x: Tensor, mean: Tensor, variance: Tensor, how: Normalization
    ) -> Tensor:
        """Normalize with given moments, as `generic.normalize`."""

    def repeats(self) -> bool:
        """Whether this call repeats an earlier one, for gradients alone.

        Rematerialization does that: the statistics have already moved.
        """

    def may_be_repeated(self, x: Tensor) -> bool:
        """Whether a call with this tensor may be repeated so, and it has values."""
