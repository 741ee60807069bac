"""The interface of absorbers, and what they have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kerasbn.folding.wide import Wide, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kerasbn.archive import Blockwise
    from kerasbn.folding.affine import Affine, Float64

    Config = Mapping[str, Any]
    Side = Literal["input", "output"]


class Absorber(ABC):
    """A class of linear layers that can absorb affine maps.

    A map applies to the layer's input or to its output (its `side`), over axes among
    the layer's `own_axes` there. Scales and shifts are aligned at their end, as in
    `Affine`.

    Attributes:
        kernels: how many kernels the layer has; its bias is stored after them.
        spatial: how many spatial axes its input has; None if it can have any rank.
    """

    kernels: ClassVar[int] = 1
    spatial: int | None = None

    @abstractmethod
    def own_axes(self, config: Config, side: Side) -> tuple[int, ...]:
        """The axes, counted from the end, where each index has its own weights."""

    @abstractmethod
    def has_bias(self, config: Config) -> bool:
        """Whether a layer of that configuration has a bias."""

    def unevenness(self, config: Config) -> str | None:
        """The reason why a constant input gives different results at different places.

        The text follows the layer's name. None if the response is the same everywhere.
        """
        return None

    def absorbed_config(
        self, config: Config, side: Side, affine: Affine
    ) -> dict[str, Any]:
        """The layer's configuration after absorbing, without regularizers.

        It has a bias if it had one or the affine map has a shift.
        """
        bias = self._bias_setting(config, side, affine)
        return {**config, **bias, **dict.fromkeys(penalties(config))}

    def absorbed_variables(
        self,
        config: Config,
        variables: Sequence[Blockwise],
        side: Side,
        affine: Affine,
    ) -> list[Wide | Float64]:
        """The float64 variables of the layer together with an affine map.

        The kernels are computed block by block, on demand.

        Args:
            config: its configuration before absorbing.
            variables: its kernels, then its bias if it has one.
            side: whether the map applies to the layer's input or to its output.
            affine: the map.

        Raises:
            ValueError: if the shapes do not fit.
        """
        wide = [Wide.of(values) for values in variables]
        kernels = wide[: self.kernels]
        biases = [whole(values) for values in wide[self.kernels :]]
        biases = self._absorbed_bias(config, kernels, biases, side, affine)
        scaled = self._scale_outputs if side == "output" else self._scale_inputs
        return [*scaled(config, kernels, affine.scale), *biases]

    @abstractmethod
    def _bias_setting(
        self, config: Config, side: Side, affine: Affine
    ) -> dict[str, Any]:
        """The configuration of the bias after absorbing."""

    @abstractmethod
    def _absorbed_bias(
        self,
        config: Config,
        kernels: list[Wide],
        biases: list[Float64],
        side: Side,
        affine: Affine,
    ) -> list[Float64]:
        """The bias after absorbing, given the old kernels; empty if there is none."""

    @abstractmethod
    def _scale_outputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        """The kernels with each output scaled."""

    @abstractmethod
    def _scale_inputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        """The kernels with each input scaled."""


def penalties(config: Config) -> list[str]:
    """The regularizers that a layer's configuration sets.

    They would penalise the folded weights instead of the trained ones.
    """
    return [
        key
        for key, value in config.items()
        if key.endswith("_regularizer") and value is not None
    ]
