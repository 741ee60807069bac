"""The arguments of calls, in the forms of Keras 2 and Keras 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasbn.graph.reading import is_reference, references

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kerasbn.graph.model import Graph, Shape, Tensor

_CONSTANT = "_CONSTANT_VALUE"


@dataclass(frozen=True)
class Arguments:
    """A reader of the arguments of one layer's calls.

    Attributes:
        graph: the model's graph.
        numbering: the result of `first_calls` for the model.
        tensor: makes the form of a tensor in Keras 3.
    """

    graph: Graph
    numbering: Mapping[str, int]
    tensor: Callable[[Tensor], dict[str, Any]]

    def of(self, call: Any) -> tuple[Any, dict[str, Any]]:
        """Return the first argument of a Keras 2 call, and the others by name."""
        kwargs: dict[str, Any] = {}
        first = self._filled(call, kwargs)
        if isinstance(first, list) and len(first) == 1:
            (first,) = first
        others = {
            key: self._filled(value, None)
            for key, value in kwargs.items()
            if value is not None
        }
        return first, others

    def _filled(self, value: Any, kwargs: dict[str, Any] | None) -> Any:
        """Return a structure with tensors in place of references."""
        if isinstance(value, list) and len(value) > 2 and value[0] == _CONSTANT:
            if kwargs is not None and len(value) > 3 and isinstance(value[3], dict):
                kwargs.update(value[3])
            return value[2]
        if is_reference(value) and value[0] in self.graph.layers:
            if kwargs is not None and len(value) > 3:
                kwargs.update(value[3])
            (tensor,) = references(value, self.numbering)
            return self.tensor(tensor)
        if isinstance(value, list):
            return [self._filled(item, kwargs) for item in value]
        if isinstance(value, dict):
            return {key: self._filled(item, kwargs) for key, item in value.items()}
        return value


def keras_tensor(
    name: str, call: int, output: int, shape: Shape | None
) -> dict[str, Any]:
    """Return a tensor among the arguments of a call, by its layer, call and output."""
    config = {
        "shape": list(shape or ()),
        "dtype": "float32",
        "keras_history": [name, call, output],
    }
    return {"class_name": "__keras_tensor__", "config": config}
