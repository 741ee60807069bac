"""A saved model as a graph of layer calls, without Keras.

A node is a *call* of a layer, not the layer: a layer that is called twice has two
nodes and one set of weights. A tensor is named as in Keras' own `keras_history`:
(layer, number of the call, number of the output).

What is not needed to read a graph is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerasbn.config_tree import LayerEntry
from kerasbn.errors import NotAGraphError, UnusableFileError
from kerasbn.graph.model import Graph, Layer, Node, Tensor
from kerasbn.graph.reading import read_graph

if TYPE_CHECKING:
    from kerasbn.graph.flow import Call, Flow, Value
    from kerasbn.graph.known import NO_TRUST, Trust, Unknown, unknown_parts
    from kerasbn.graph.rewriting import Argument, rewrite

__all__ = [
    "NO_TRUST",
    "Argument",
    "Call",
    "Flow",
    "Graph",
    "Layer",
    "LayerEntry",
    "Node",
    "NotAGraphError",
    "Tensor",
    "Trust",
    "Unknown",
    "UnusableFileError",
    "Value",
    "read_graph",
    "rewrite",
    "unknown_parts",
]

_HOME = {
    "NO_TRUST": "known",
    "Argument": "rewriting",
    "Call": "flow",
    "Flow": "flow",
    "Trust": "known",
    "Unknown": "known",
    "Value": "flow",
    "rewrite": "rewriting",
    "unknown_parts": "known",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
