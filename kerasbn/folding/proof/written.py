"""Check that a file holds the folded model: its weights, and the original's graph.

Only segments are compared by running them. That everything else is unchanged is read
from the file itself, so that no saturated output can hide a difference.
"""

from __future__ import annotations

from io import BytesIO
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import h5py

from kerasbn.archive import open_own
from kerasbn.archive.numbering import layer_groups
from kerasbn.graph import read_graph
from kerasbn.graph.reading import is_serialised_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from kerasbn.archive import Archive
    from kerasbn.folding.apply import FoldedModel
    from kerasbn.graph import Graph, Node, Tensor


def flaw(folded: FoldedModel, path: Path) -> str | None:
    """Return how the file at `path` differs from the folded model; None if it does not.

    Its folded weights must be the float64 ones, rounded, and all others those of the
    original, bit for bit; its layers must be called as the original's are, except for
    the BN layers that went.
    """
    with open_own(path) as archive:
        if not _same_graphs(folded, archive):
            return "the file that was written connects or configures layers otherwise"
        for layer in _other_weights(folded, archive):
            whose = f"of `{layer}`" if layer else "of the model itself"
            return f"the file that was written does not hold the weights {whose}"
    return None


def _other_weights(folded: FoldedModel, archive: Archive) -> Iterator[str]:
    """Yield the paths of layers whose weights are not as meant; "" is the model."""
    changed = folded.weights
    for path, values in changed.items():
        if not _same_bits(
            values, (variable.read() for variable in archive.variables(path))
        ):
            yield path
    unchanged = [
        path
        for path in layer_groups(folded.graph.model)
        if path not in folded.plan.gone and path not in changed
    ]
    with h5py.File(BytesIO(), "w") as scratch:
        for path in ("", *unchanged):
            ones = _stored(folded.archive, path, scratch)
            if not _same_arrays(ones, _stored(archive, path, scratch)):
                yield path


def _stored(archive: Archive, path: str, scratch: h5py.File) -> dict[str, NDArray[Any]]:
    """Return all arrays that a layer stores, also in inner objects; "" is the model.

    They are copied into the scratch file first, and read as in any `.keras` file.
    """
    found: dict[str, NDArray[Any]] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    group = scratch.create_group("stored")
    if path:
        archive.copy_layer(path, group)
    else:
        archive.copy_model(group)
    group.visititems(note)
    del scratch["stored"]
    return found


def _same_arrays(
    ones: Mapping[str, NDArray[Any]], others: Mapping[str, NDArray[Any]]
) -> bool:
    return ones.keys() == others.keys() and _same_bits(
        ones.values(), (others[name] for name in ones)
    )


def _same_bits(ones: Iterable[NDArray[Any]], others: Iterable[NDArray[Any]]) -> bool:
    return all(
        one is not None
        and other is not None
        and (one.dtype, one.shape) == (other.dtype, other.shape)
        and one.tobytes() == other.tobytes()
        for one, other in zip_longest(ones, others)
    )


def _same_graphs(folded: FoldedModel, archive: Archive) -> bool:
    written = {graph.path: graph for graph in read_graph(archive.config).graphs()}
    return all(
        graph.path in written and _is_same(folded, graph, written[graph.path])
        for graph in folded.graph.graphs()
    )


def _is_same(folded: FoldedModel, before: Graph, after: Graph) -> bool:
    """Whether a graph is the original's without the BN layers that went."""
    removed = folded.plan.gone.keys() - folded.identities.keys()

    def source(tensor: Tensor) -> Tensor:
        node = before.producer(tensor)
        while node is not None and node.layer.path in removed:
            tensor = node.inputs[0]
            node = before.producer(tensor)
        return tensor

    kept = {n.output: n for n in before.nodes if n.layer.path not in removed}
    return (
        kept.keys() == {node.output for node in after.nodes}
        and before.inputs == after.inputs
        and tuple(map(source, before.outputs)) == after.outputs
        and all(
            tuple(map(source, kept[node.output].inputs)) == node.inputs
            and _constants(folded.node(kept[node.output])) == _constants(node)
            for node in after.nodes
            if node.layer.path not in folded.identities
        )
        and all(
            node.layer.config == after.layers[node.layer.name].config
            for node in kept.values()
            if node.layer.graph is None
            and node.layer.path not in {*folded.changed, *folded.identities}
        )
    )


def _constants(node: Node) -> Any:
    """Return the arguments of a call with a placeholder for each tensor."""
    return _marked([list(node.args), dict(node.kwargs)])


def _marked(argument: Any) -> Any:
    if is_serialised_tensor(argument):
        return "tensor"
    if isinstance(argument, dict):
        return {key: _marked(item) for key, item in argument.items()}
    if isinstance(argument, list):
        return [_marked(item) for item in argument]
    return argument
