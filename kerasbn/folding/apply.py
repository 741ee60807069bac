"""From a plan to a new configuration and new weights, both as pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.errors import UnusableFileError
from kerasbn.folding.absorb import absorbed_config, absorbed_variables, penalties
from kerasbn.folding.affine import batch_norm_affine, batch_norm_weights
from kerasbn.folding.conditions import kept_axes, linear_entry, read_batch_norm
from kerasbn.graph import rewrite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kerasbn.archive import Archive
    from kerasbn.folding.affine import Float64
    from kerasbn.folding.plan import Plan
    from kerasbn.folding.routes import Absorption
    from kerasbn.graph import Flow, Graph, Layer, LayerEntry

_WEIGHTS = ("gamma", "beta")


@dataclass(frozen=True)
class Changed:
    """A layer that takes BN in: a linear one, or another BN that stays."""

    layer: Layer
    absorptions: tuple[Absorption, ...]
    flow: Flow

    @property
    def config(self) -> dict[str, Any]:
        """The layer's configuration after folding."""
        config = dict(self.layer.config)
        if self.layer.is_batch_norm:
            config.update(center=True, scale=True, **dict.fromkeys(penalties(config)))
            return config
        entry = self.entry
        absorbed = dict(entry.config)
        for _, side, affine in self.absorptions:
            absorbed = absorbed_config(entry.class_name, absorbed, side, affine)
        if entry is self.layer.entry:
            return absorbed
        return {**config, "layer": {**entry.raw, "config": absorbed}}

    @property
    def entry(self) -> LayerEntry:
        """Whose variables change: the layer itself, or the one that it wraps."""
        return linear_entry(self.layer) or self.layer.entry

    def variables(self, archive: Archive) -> list[Float64]:
        """The layer's float64 variables after folding.

        Raises:
            UnusableFileError: if the shapes in the file do not fit.
        """
        try:
            if self.layer.is_batch_norm:
                return self._batch_norm_variables(archive)
            return self._linear_variables(archive)
        except (ValueError, IndexError) as error:
            raise UnusableFileError(
                f"The weights of `{self.layer.path}` and of the BN that it takes in do "
                f"not fit each other: {error}. The file is damaged; save the model "
                "again."
            ) from error

    def _linear_variables(self, archive: Archive) -> list[Float64]:
        kind, config = self.entry.class_name, dict(self.entry.config)
        values: list[Any] = [v.read() for v in archive.variables(self.entry.path)]
        for _, side, affine in self.absorptions:
            values = absorbed_variables(kind, config, values, side, affine)
            config = absorbed_config(kind, config, side, affine)
        return values

    def _batch_norm_variables(self, archive: Archive) -> list[Float64]:
        layer = self.layer
        stored = read_batch_norm(layer, archive)
        axes = kept_axes(layer, self.flow.calls_of[layer.path][0], self.flow)
        affine = batch_norm_affine(layer.config, stored, axes)
        for _, side, other in self.absorptions:
            affine = affine.after(other) if side == "input" else other.after(affine)
        gamma, beta = batch_norm_weights(layer.config, stored, axes, affine)
        rest = [v.astype(np.float64) for k, v in stored.items() if k not in _WEIGHTS]
        return [gamma, beta, *rest]

    @property
    def dropped_penalties(self) -> list[str]:
        """The regularizers that the fold leaves behind, as `layer.regularizer`."""
        return [f"{self.layer.path}.{name}" for name in penalties(self.entry.config)]


@dataclass(frozen=True)
class FoldedModel:
    """A folded model, yet to be written: its configuration and weights.

    Attributes:
        graph: the original's graph.
        archive: the file that holds the original.
        plan: what goes where.
    """

    graph: Graph
    archive: Archive
    plan: Plan

    @cached_property
    def changed(self) -> Mapping[str, Changed]:
        """The layers that take BN in, by path."""
        gone = self.plan.gone
        found: dict[str, list[Absorption]] = {}
        for fold in self.plan.folds:
            for absorption in fold.absorptions:
                if absorption.layer.path not in gone:
                    found.setdefault(absorption.layer.path, []).append(absorption)
        return {
            path: Changed(taken[0].layer, tuple(taken), self.plan.flow)
            for path, taken in found.items()
        }

    @property
    def dropped_penalties(self) -> list[str]:
        """The regularizers that folding leaves behind, as `layer.regularizer`."""
        gone = [
            f"{path}.{name}"
            for path, layer in self.plan.gone.items()
            for name in penalties(layer.config)
        ]
        return [
            p for each in self.changed.values() for p in each.dropped_penalties
        ] + gone

    @cached_property
    def identities(self) -> Mapping[str, Layer]:
        """The BN whose output the outermost model returns, by path.

        They become Identity layers, because outputs are named after their layers.
        """
        returned = {tensor.layer for tensor in self.graph.outputs}
        gone = self.plan.gone
        return {path: layer for path, layer in gone.items() if path in returned}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The folded model's whole configuration."""
        changed = {path: _identity(layer) for path, layer in self.identities.items()}
        for path, layer in self.changed.items():
            changed[path] = {"config": layer.config}
        removed = self.plan.gone.keys() - self.identities.keys()
        return rewrite(self.graph.model, removed, changed)

    @property
    def float64_weights(self) -> Mapping[str, list[Float64]]:
        """Path -> float64 variables, of the layers that changed.

        Those of a layer inside a wrapper go by its own path: `wrapper/layer`.
        """
        return _Computed(self)

    def lost(self) -> list[str]:
        """The layers some of whose folded weights are too small for their dtype."""
        return [
            path
            for path, exact in self.float64_weights.items()
            if any(map(_is_lossy, exact, self.weights[path]))
        ]

    def too_large(self) -> dict[str, str]:
        """The BN whose fold no longer fits into half precision -> why not."""
        found: dict[str, str] = {}
        for path, layer in self.changed.items():
            dtype = self.archive.variables(layer.entry.path)[0].dtype
            if dtype.itemsize > 2 or _fits(layer.variables(self.archive), dtype):
                continue
            reason = f"the folded weights of `{path}` are too large for {dtype.name}"
            for fold in self.plan.folds:
                if any(
                    absorption.layer.path == path for absorption in fold.absorptions
                ):
                    found[fold.batch_norm.path] = reason
        return found

    @property
    def weights(self) -> Mapping[str, list[NDArray[Any]]]:
        """The same, rounded to the dtype in which the file stores the kernel."""
        return _Rounded(self)


class _Computed(Mapping[str, list[Any]]):
    """Weights that are computed when asked for: one layer's are in memory at a time."""

    def __init__(self, model: FoldedModel) -> None:
        self._archive = model.archive
        self._sources: dict[str, Changed | None] = {
            layer.entry.path: layer for layer in model.changed.values()
        }
        self._sources.update(dict.fromkeys(model.identities))

    def __getitem__(self, path: str) -> list[Any]:
        source = self._sources[path]
        return [] if source is None else source.variables(self._archive)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


class _Rounded(_Computed):
    def __getitem__(self, path: str) -> list[Any]:
        stored = self._archive.variables(path)
        return [
            _rounded(values, stored[0].dtype, path)
            for values in super().__getitem__(path)
        ]


def _fits(variables: list[Float64], dtype: np.dtype[Any]) -> bool:
    return all(_is_finite(_narrowed(values, dtype)) for values in variables)


def _narrowed(values: Float64, dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(dtype)


def _is_finite(values: NDArray[Any]) -> bool:
    return bool(np.isfinite(values.astype(np.float64)).all())


def _rounded(values: Float64, dtype: np.dtype[Any], path: str) -> NDArray[Any]:
    narrow = _narrowed(values, dtype)
    if not _is_finite(narrow):
        raise UnusableFileError(
            f"A folded weight of `{path}` is too large for {dtype.name}. Received: "
            f"{np.abs(values).max():.3g}. Save the model in float32 or bfloat16 and "
            "fold that."
        )
    return narrow


def _is_lossy(exact: Float64, rounded: NDArray[Any]) -> bool:
    """Whether a value lost more than rounding takes: it is subnormal, or 0."""
    difference = np.abs(rounded.astype(np.float64) - exact)
    return bool((difference > 0.01 * np.abs(exact)).any())


def _identity(layer: Layer) -> dict[str, Any]:
    kept = {key: layer.config[key] for key in ("name", "dtype") if key in layer.config}
    return {
        "module": "keras.layers",
        "class_name": "Identity",
        "config": {**kept, "trainable": layer.trainable},
        "registered_name": None,
    }
