"""The measurements in which causes are looked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .cutting import are_of_one_label
from .names import BATCH_NORM, IN_ORDER, INFERENCE, RECALIBRATED
from .scores import Score, beats_constant, is_worse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .batches import Data
    from .layers import LayerState, Moments
    from .modes import Use
    from .preprocessing import Preprocessing

_HIGHER_IS_BETTER = ("acc", "auc", "precision", "recall", "iou", "f1")
_A_POINT = 0.01
_MUCH_LESS = 0.6
_WELL = 0.25  # of the loss of a constant prediction


@dataclass(frozen=True)
class Evidence:
    """The measurements of a model with data.

    Attributes:
        model: the model.
        data: the data.
        layers: its batch normalization layers, worst first.
        modes: for each layer, what it uses and updates in `fit` and so on.
        scores: loss and metrics in each mode, by the names above.
        no_loss: why outputs are compared instead of losses; empty if losses are.
        scale: the loss of an uninformed prediction, in excess of that of a good one.
        constant: the score of a constant prediction, if it is known and meaningful.
        steps: the number of training steps of the optimizer; None if unknown.
        accumulated: the number of batches whose gradients the optimizer adds up to a
            step; None if each batch is one.
        of_kinds: for each order in which batches have one kind of samples each, the
            statistics of the layers; empty if all running statistics are near the
            data's.
        of_sizes: the statistics of the layers in random batches of so few samples;
            empty if no variance is so much smaller than the data's that it matters.
        of_outliers: the statistics of the layers in batches with one of the samples
            that were left out; empty if none were.
        fits_epsilon: whether all running statistics match the data if the layers get
            another epsilon, where some do not with their own.
        preprocessing: what gives the data the running statistics, if these are off and
            anything usual does.
        bad_weights: the paths of other weights that are not finite.
        bad_data: whether an input or target is not finite.
        apart: the networks in the model that judge what it makes, whose layers are left
            out.
    """

    model: Any
    data: Data
    layers: Sequence[LayerState]
    modes: Mapping[str, Mapping[str, Use]]
    scores: Mapping[str, Score]
    no_loss: str
    scale: float
    constant: Score | None = None
    steps: int | None = None
    accumulated: int | None = None
    of_kinds: Sequence[Mapping[str, Moments]] = ()
    of_sizes: Mapping[int, Mapping[str, Moments]] = field(default_factory=dict)
    of_outliers: Mapping[str, Moments] = field(default_factory=dict)
    fits_epsilon: bool = False
    preprocessing: Preprocessing | None = None
    bad_weights: Sequence[str] = ()
    bad_data: bool = False
    apart: tuple[str, ...] = ()

    @property
    def has_loss(self) -> bool:
        """Whether losses are compared."""
        return not self.no_loss

    @property
    def first(self) -> LayerState | None:
        """The first layer of the model."""
        order = list(self.modes)
        return min(self.layers, key=lambda e: order.index(e.path), default=None)

    @property
    def gap(self) -> float:
        """The excess of inference over batch normalization as in training."""
        aim = BATCH_NORM if self.has_loss else RECALIBRATED
        if aim not in self.scores:
            return 0.0
        return self.scores[INFERENCE].loss.mean - self.scores[aim].loss.mean

    @property
    def has_gap(self) -> bool:
        """Whether the gap is more than chance, and not negligible."""
        return self.worse(INFERENCE, BATCH_NORM) if self.has_loss else self.helps

    @property
    def helps(self) -> bool:
        """Whether recalibration improves the model, and it then beats a constant."""
        return self.worse(INFERENCE, RECALIBRATED) and not self.is_useless(RECALIBRATED)

    @property
    def is_much_helped(self) -> bool:
        """Whether recalibration takes away a large part of the loss."""
        if not (self.has_loss and self.helps):
            return False
        before, after = (self.scores[m].error for m in (INFERENCE, RECALIBRATED))
        return after < _MUCH_LESS * before

    @property
    def suits(self) -> bool:
        """Whether the model does well on these data, if the statistics are theirs."""
        if self.constant is None or RECALIBRATED not in self.scores:
            return False
        return self.scores[RECALIBRATED].error < _WELL * self.constant.error

    @property
    def is_mixed(self) -> bool:
        """Whether recalibration makes the loss better and an accuracy worse."""
        before, after = (self.scores[m].metrics for m in (INFERENCE, RECALIBRATED))
        return any(
            after[name].mean < before[name].mean - _A_POINT
            for name in before
            if name in after and any(word in name for word in _HIGHER_IS_BETTER)
        )

    @property
    def is_incurable(self) -> bool:
        """Whether a gap remains when the running statistics match the data."""
        return self.has_loss and self.worse(RECALIBRATED, BATCH_NORM)

    @property
    def stays(self) -> bool:
        """Whether most of the gap remains when the running statistics match."""
        if not self.is_incurable:
            return False
        gained = self.scores[INFERENCE].loss.mean - self.scores[RECALIBRATED].loss.mean
        return gained < self.gap / 2

    def is_useless(self, mode: str) -> bool:
        """Whether a constant prediction would do as well."""
        if self.constant is None or self.constant.error <= 0:
            return False
        return not beats_constant(self.scores[mode], self.constant)

    @property
    def is_poor(self) -> bool:
        """Whether the loss is nearer to that of a constant prediction than to 0."""
        if self.constant is None:
            return False
        return self.scores[INFERENCE].error > self.constant.error / 2 > 0

    @property
    def must_be_mixed(self) -> bool:
        """Whether batches of one of two labels each do worse in training mode."""
        return self.worse(IN_ORDER, BATCH_NORM) and are_of_one_label(self.data.in_order)

    @property
    def is_harmed(self) -> bool:
        """Whether statistics cause any harm."""
        return self.has_gap or self.helps

    def concerns(self, layer: LayerState) -> bool:
        """Whether a layer's statistics need an explanation."""
        return layer.is_far or (layer.is_off and self.is_harmed)

    def worse(self, one: str, other: str) -> bool:
        """Whether the model does worse in one mode than in the other."""
        if one not in self.scores or other not in self.scores:
            return False
        return is_worse(self.scores[one], self.scores[other], self.scale)
