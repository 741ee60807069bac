"""A model as the rules see it, whether saved or live."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from ..findings import Location

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from kerasbn.graph import Graph

    from .data_normalization import DataNormalization

    Array = NDArray[np.floating[Any]]


class Statistics:
    """The arrays of a BN layer, all of the shape of its kept axes.

    `gamma` and `beta` are None if the layer has none. Few rules need them, so a
    function that reads them on demand may be given in their place.
    """

    def __init__(
        self,
        mean: Array,
        variance: Array,
        gamma: Array | Callable[[], Array] | None,
        beta: Array | Callable[[], Array] | None,
    ) -> None:
        self.mean = mean
        self.variance = variance
        self._gamma = gamma
        self._beta = beta

    @property
    def gamma(self) -> Array | None:
        """The scale."""
        return self._gamma() if callable(self._gamma) else self._gamma

    @property
    def beta(self) -> Array | None:
        """The shift."""
        return self._beta() if callable(self._beta) else self._beta


def keeps_forever(momentum: float | None) -> bool:
    """Whether no batch ever counts with that momentum."""
    return momentum is not None and momentum >= 1


@dataclass(frozen=True)
class BatchNorm:
    """A BN layer: its configuration, its calls, and its arrays.

    Attributes:
        path: the layer's path, such as `inner/bn1`.
        config: the layer's own configuration; empty if only its weights are known.
        frozen: whether the layer or a model around it has `trainable=False`.
        training_flags: the `training` argument of each call of the layer in the graph,
            for those calls that have one.
        calls: how often one call of the model calls the layer; None if it is not known.
        read_statistics: reads the arrays, only when a rule needs them; returns None if
            they are not stored.
    """

    path: str
    config: Mapping[str, Any]
    frozen: bool
    training_flags: tuple[bool | None, ...]
    read_statistics: Callable[[], Statistics | None]
    calls: int | None = 1

    @property
    def momentum(self) -> float | None:
        """The momentum; None for kerasbn's cumulative average."""
        return _number(self.config.get("momentum", 0.99))

    @property
    def epsilon(self) -> float | None:
        """The epsilon."""
        return _number(self.config.get("epsilon", 1e-3))


def _number(value: Any) -> float | None:
    """Return a number from a configuration, which may hold anything."""
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return inf if value > 0 else -inf


@dataclass(frozen=True)
class Behaviour:
    """The behaviour of a BN layer when the model was run once in each mode.

    Attributes:
        held_still: whether its statistics did not change in training mode, though those
            of the batch differed.
        flags: the values of `training` that reached it in training mode; empty if it
            was not called.
        moved_in_inference: whether they changed in inference mode.
        depended_on_batch: whether the output for one sample then depended on others.
        moved_if_called: whether they were only unchanged because the model was not
            called, but run as `fit` runs it on JAX.
    """

    held_still: bool
    flags: tuple[bool | None, ...]
    moved_in_inference: bool
    depended_on_batch: bool
    moved_if_called: bool = False


@dataclass(frozen=True)
class Probe:
    """The behaviour of a live model when it was run as in `fit` and in `predict`.

    Attributes:
        behaviours: that of each built BN layer that is not frozen, by path.
        failure: why the model could not be run; empty if it was.
    """

    behaviours: Mapping[str, Behaviour]
    failure: str = ""


@dataclass(frozen=True)
class Model:
    """A saved or live model.

    Attributes:
        path: the file, or the `package.module:name` that the user gave; None for a
            model object.
        keras_version: the version that wrote the file, or that is loaded; a version
            that begins with 2 means Keras 2 or tf_keras.
        batch_norms: every BN layer that is visible, at any depth.
        iterations: how many training steps the optimizer has taken; None if it is not
            known.
        graph: the layer calls; None if the model is not inspectable as a graph.
        live: the model object itself, for rules that read its class; None for files.
        data_normalizations: the `Normalization` layers that were to be adapted to data.
        probe: runs a live model, only when a rule needs it; returns None for files and
            if there is nothing to see.
    """

    path: str | None
    keras_version: str | None
    batch_norms: tuple[BatchNorm, ...]
    iterations: int | None = None
    graph: Graph | None = None
    live: Any = field(default=None, repr=False)
    data_normalizations: tuple[DataNormalization, ...] = ()
    probe: Callable[[], Probe | None] = lambda: None

    @property
    def hidden(self) -> tuple[BatchNorm, ...]:
        """The BN layers in a graph's opaque layers of which only weights are known."""
        if self.graph is None:
            return ()
        return tuple(layer for layer in self.batch_norms if not layer.config)

    def at(self, layer: str | None) -> Location:
        """Return the location of a layer in this model, or of the model as a whole."""
        return Location(path=self.path, layer=layer)
