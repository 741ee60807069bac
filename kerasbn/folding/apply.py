"""The new configuration and weights of a plan, computed by pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasbn.archive import blocks
from kerasbn.errors import UnusableFileError
from kerasbn.folding.absorb import ABSORBERS, penalties
from kerasbn.folding.affine import batch_norm_affine, batch_norm_weights
from kerasbn.folding.conditions import kept_axes, linear_entry, read_batch_norm
from kerasbn.folding.plan import make_plan
from kerasbn.folding.rounded import Rounded
from kerasbn.folding.wide import whole
from kerasbn.graph import rewrite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kerasbn.archive import Archive, Blockwise
    from kerasbn.folding.absorb.base import Absorber
    from kerasbn.folding.affine import Float64
    from kerasbn.folding.plan import Plan
    from kerasbn.folding.routes import Absorption
    from kerasbn.graph import Argument, Flow, Graph, Layer, LayerEntry, Node

_WEIGHTS = ("gamma", "beta")


@dataclass(frozen=True)
class Changed:
    """A layer that absorbs BN: a linear one, or another BN that stays."""

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
            absorbed = self._absorber.absorbed_config(absorbed, side, affine)
        if entry is self.layer.entry:
            return absorbed
        return {**config, "layer": {**entry.raw, "config": absorbed}}

    @property
    def entry(self) -> LayerEntry:
        """The entry whose variables change: the layer itself, or the one it wraps."""
        return linear_entry(self.layer) or self.layer.entry

    @property
    def _absorber(self) -> Absorber:
        return ABSORBERS[self.entry.class_name]

    def variables(self, archive: Archive) -> list[Blockwise]:
        """The layer's float64 variables after folding, computed lazily.

        Raises:
            UnusableFileError: if the shapes in the file do not fit.
        """
        try:
            if self.layer.is_batch_norm:
                return self._batch_norm_variables(archive)
            return self._linear_variables(archive)
        except (ValueError, IndexError) as error:
            raise UnusableFileError(
                f"The weights of `{self.layer.path}` and of the BN that it absorbs do "
                f"not fit each other: {error}. The file is damaged; save the model "
                "again."
            ) from error

    def _linear_variables(self, archive: Archive) -> list[Blockwise]:
        absorber, config = self._absorber, dict(self.entry.config)
        values: list[Any] = list(archive.variables(self.entry.path))
        for _, side, affine in self.absorptions:
            values = absorber.absorbed_variables(config, values, side, affine)
            config = absorber.absorbed_config(config, side, affine)
        return values

    def _batch_norm_variables(self, archive: Archive) -> list[Blockwise]:
        layer = self.layer
        stored = read_batch_norm(layer, archive)
        axes = kept_axes(layer, self.flow.calls_of[layer.path][0], self.flow)
        affine = batch_norm_affine(layer.config, stored, axes)
        for absorption in self.absorptions:
            affine = absorption.composed(affine)
        gamma, beta = batch_norm_weights(layer.config, stored, axes, affine)
        rest = [v.astype(np.float64) for k, v in stored.items() if k not in _WEIGHTS]
        return [gamma, beta, *rest]

    @property
    def dropped_penalties(self) -> list[str]:
        """The regularizers that the fold drops, as `layer.regularizer`."""
        return [f"{self.layer.path}.{name}" for name in penalties(self.entry.config)]


@dataclass(frozen=True)
class FoldedModel:
    """A folded model, before it is written: its configuration and weights.

    Attributes:
        graph: the original's graph.
        archive: the file that holds the original.
        plan: the plan of the fold.
    """

    graph: Graph
    archive: Archive
    plan: Plan

    @cached_property
    def changed(self) -> Mapping[str, Changed]:
        """The layers that absorb BN, by path."""
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
        """The regularizers that folding drops, as `layer.regularizer`."""
        gone = [
            f"{path}.{name}"
            for path, layer in self.plan.gone.items()
            for name in penalties(layer.config)
        ]
        return [
            p for change in self.changed.values() for p in change.dropped_penalties
        ] + gone

    @cached_property
    def identities(self) -> Mapping[str, Layer]:
        """The BN layers whose output the outermost model returns, by path.

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
        return rewrite(self.graph.model, removed, changed, self.constants)

    @cached_property
    def constants(self) -> Mapping[str, Mapping[Argument, dict[str, Any]]]:
        """Path of a layer -> constants among its calls' arguments, as serialised.

        They are written with float64 digits; Keras rounds them to their dtype.
        """
        found: dict[str, dict[Argument, dict[str, Any]]] = {}
        for new in (new for fold in self.plan.folds for new in fold.constants):
            array = {"value": new.value.tolist(), "dtype": new.dtype}
            serialised = {"class_name": "__numpy__", "config": array}
            found.setdefault(new.layer.path, {})[new.argument] = serialised
        return found

    def node(self, node: Node) -> Node:
        """Return a call of the original as the folded model makes it."""
        constants = self.constants.get(node.layer.path, {})
        changed = [constant for constant in constants if constant.call == node.call]
        if not changed:
            return node
        args, kwargs = deepcopy((list(node.args), dict(node.kwargs)))
        for argument in changed:
            calls = {node.call: {"args": args, "kwargs": kwargs}}
            argument.replace(calls, constants[argument])
        return replace(node, args=tuple(args), kwargs=kwargs)

    @cached_property
    def exact(self) -> Mapping[str, list[Blockwise]]:
        """Path -> float64 variables of the layers that changed, block by block.

        A layer inside a wrapper is listed under its own path: `wrapper/layer`.
        """
        found: dict[str, list[Blockwise]] = {
            layer.entry.path: layer.variables(self.archive)
            for layer in self.changed.values()
        }
        return found | {path: [] for path in self.identities}

    @cached_property
    def rounded(self) -> Mapping[str, list[Rounded]]:
        """The variables of `exact`, rounded to the dtype that the file stores."""
        return {
            path: [
                Rounded(values, self.archive.variables(path)[0].dtype, path)
                for values in arrays
            ]
            for path, arrays in self.exact.items()
        }

    @property
    def float64_weights(self) -> Mapping[str, list[Float64]]:
        """The arrays of `exact`, computed when a layer is accessed."""
        return _Computed(self.exact)

    def too_large(self) -> dict[str, str]:
        """The BN layers whose fold does not fit into half precision -> why not."""
        found: dict[str, str] = {}
        for path, layer in self.changed.items():
            dtype = self.archive.variables(layer.entry.path)[0].dtype
            if dtype.itemsize > 2 or _fits(self.exact[layer.entry.path], dtype):
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
        """The arrays of `rounded`, computed when a layer is accessed."""
        return _Computed(self.rounded)

    def lost(self) -> list[str]:
        """The layers with weights too small for their dtype, as computed so far."""
        return [
            path
            for path, arrays in self.rounded.items()
            if any(values.is_lossy for values in arrays)
        ]


def _fits(variables: Sequence[Blockwise], dtype: np.dtype[Any]) -> bool:
    with np.errstate(over="ignore"):
        narrow = (
            values[place].astype(dtype).astype(np.float64)
            for values in variables
            for place in blocks(values.shape)
        )
        return all(np.isfinite(block).all() for block in narrow)


class _Computed(Mapping[str, list[Any]]):
    """Whole arrays instead of blocks; only one layer's are in memory at a time."""

    def __init__(self, arrays: Mapping[str, Sequence[Blockwise]]) -> None:
        self._arrays = arrays

    def __getitem__(self, path: str) -> list[Any]:
        return [whole(values) for values in self._arrays[path]]

    def __contains__(self, path: object) -> bool:
        return path in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def _identity(layer: Layer) -> dict[str, Any]:
    kept = {key: layer.config[key] for key in ("name", "dtype") if key in layer.config}
    return {
        "module": "keras.layers",
        "class_name": "Identity",
        "config": {**kept, "trainable": layer.trainable},
        "registered_name": None,
    }


def plan_and_apply(graph: Graph, archive: Archive) -> FoldedModel:
    """Fold a graph; BN layers whose fold overflows half precision stay."""
    staying: dict[str, str] = {}
    while True:
        folded = FoldedModel(graph, archive, make_plan(graph, archive, staying))
        too_large = folded.too_large()
        if not too_large:
            return folded
        staying |= too_large
