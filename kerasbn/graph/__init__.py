"""A saved model as a graph of layer calls, without Keras.

A node is a *call* of a layer, not the layer: a layer that is called twice has two
nodes and one set of weights. A tensor is named as in Keras' own `keras_history`:
(layer, number of the call, number of the output).
"""

from kerasbn.config_tree import LayerEntry
from kerasbn.errors import NotAGraphError, UnusableFileError
from kerasbn.graph.flow import Call, Flow, Value
from kerasbn.graph.known import NO_TRUST, Trust, Unknown, unknown_parts
from kerasbn.graph.model import Graph, Layer, Node, Tensor
from kerasbn.graph.reading import read_graph
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
