"""From a plan to a new configuration and new weights, both as pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.errors import UnusableFileError
from kerasbn.folding.absorb import absorbed_config, absorbed_variables, penalties
from kerasbn.graph import rewrite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kerasbn.archive import Archive
    from kerasbn.folding.affine import Float64
    from kerasbn.folding.plan import Fold, Plan
    from kerasbn.graph import Graph, Layer


@dataclass(frozen=True)
class Absorption:
    """A linear layer and the BN that go into it, in order."""

    layer: Layer
    folds: tuple[Fold, ...]

    @property
    def config(self) -> dict[str, Any]:
        """The folded layer's configuration."""
        config = dict(self.layer.config)
        for fold in self.folds:
            config = absorbed_config(str(self.layer.kind), config, fold.axes)
        return config

    def variables(self, archive: Archive) -> list[Float64]:
        """The folded layer's float64 variables.

        Raises:
            UnusableFileError: if the shapes in the file do not fit.
        """
        kind, config = str(self.layer.kind), dict(self.layer.config)
        values: list[Any] = [v.read() for v in archive.variables(self.layer.path)]
        try:
            for fold in self.folds:
                affine = fold.affine(archive)
                values = absorbed_variables(kind, config, values, affine)
                config = absorbed_config(kind, config, fold.axes)
        except (ValueError, IndexError) as error:
            raise UnusableFileError(
                f"The weights of `{self.layer.path}` and of the BN after it do not fit "
                f"each other: {error}. The file is damaged; save the model again."
            ) from error
        return values

    @property
    def dropped_penalties(self) -> list[str]:
        """The regularizers that the fold leaves behind, as `layer.regularizer`."""
        return [
            f"{layer.path}.{name}"
            for layer in (self.layer, *(fold.batch_norm for fold in self.folds))
            for name in penalties(layer.config)
        ]


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
    def absorptions(self) -> Mapping[str, Absorption]:
        """Path of each layer that takes BN in -> the layer and these BN."""
        folds: dict[str, list[Fold]] = {}
        for fold in self.plan.folds:
            folds.setdefault(fold.into.path, []).append(fold)
        return {path: Absorption(f[0].into, tuple(f)) for path, f in folds.items()}

    @cached_property
    def identities(self) -> Mapping[str, Layer]:
        """The BN whose output the outermost model returns, by path.

        They become Identity layers, because outputs are named after their layers.
        """
        returned = {tensor.layer for tensor in self.graph.outputs}
        gone = {fold.batch_norm.path: fold.batch_norm for fold in self.plan.folds}
        return {path: layer for path, layer in gone.items() if path in returned}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The folded model's whole configuration."""
        gone = {fold.batch_norm.path for fold in self.plan.folds}
        changed = {path: _identity(layer) for path, layer in self.identities.items()}
        for path, absorption in self.absorptions.items():
            changed[path] = {"config": absorption.config}
        return rewrite(self.graph.model, gone - self.identities.keys(), changed)

    @property
    def float64_weights(self) -> Mapping[str, list[Float64]]:
        """Layer path -> float64 variables, of the layers that changed."""
        return _Computed(self)

    def lost(self) -> list[str]:
        """The layers some of whose folded weights are too small for their dtype."""
        return [
            path
            for path, exact in self.float64_weights.items()
            if any(map(_is_lossy, exact, self.weights[path]))
        ]

    @property
    def weights(self) -> Mapping[str, list[NDArray[Any]]]:
        """The same, rounded to the dtype in which the file stores the kernel."""
        return _Rounded(self)


class _Computed(Mapping[str, list[Any]]):
    """Weights that are computed when asked for: one layer's are in memory at a time."""

    def __init__(self, model: FoldedModel) -> None:
        self._model = model
        self._paths = [*model.absorptions, *model.identities]

    def __getitem__(self, path: str) -> list[Any]:
        if path in self._model.identities:
            return []
        return self._model.absorptions[path].variables(self._model.archive)

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


class _Rounded(_Computed):
    def __getitem__(self, path: str) -> list[Any]:
        stored = self._model.archive.variables(path)
        return [
            _rounded(values, stored[0].dtype, path)
            for values in super().__getitem__(path)
        ]


def _rounded(values: Float64, dtype: np.dtype[Any], path: str) -> NDArray[Any]:
    with np.errstate(over="ignore", under="ignore"):
        narrow = values.astype(dtype)
    if not np.isfinite(narrow.astype(np.float64)).all():
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
