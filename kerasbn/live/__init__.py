"""Live Keras models: the one bridge to them, and the only place for Keras' internals.

calls        the calls in a model, as recorded by Keras
layers       the layers inside, by path, and checks of a model
opening      symbolic runs of code that calls layers
reading      a live model as a graph, on which the fold makes its plan
weights      its weights, as a file would hold them
held         the objects that layers hold and that functions in them read
copying      copies of layers as they are, whatever they hold
rebuilding   a new run of the graph, with layers left out or changed
folded       the folded model for a live one
float64      copies that compute in float64
inference    runs of models on random inputs
promotion    Keras' rules of type promotion, with float64 in them
compiling    the compiled state, passed on
"""

from kerasbn.live.calls import computes_its_graph, has_graph
from kerasbn.live.compiling import compile_alike, compile_for_inference
from kerasbn.live.copying import (
    build_like,
    constructor_arguments,
)
from kerasbn.live.float64 import Float64Copier
from kerasbn.live.folded import Rebuilt
from kerasbn.live.held import batch_norms_in_functions
from kerasbn.live.inference import check_runs, outputs, random_inputs_of
from kerasbn.live.layers import (
    batch_norms_inside,
    check_built,
    check_model,
    is_being_trained,
    is_own,
    layers_inside,
    running_statistics,
)
from kerasbn.live.opening import CannotOpenError, at_inference, first_line
from kerasbn.live.reading import LiveModel
from kerasbn.live.rebuilding import Constant, PlainCopier
from kerasbn.live.weights import LiveWeights

__all__ = [
    "CannotOpenError",
    "Constant",
    "Float64Copier",
    "LiveModel",
    "LiveWeights",
    "PlainCopier",
    "Rebuilt",
    "at_inference",
    "batch_norms_in_functions",
    "batch_norms_inside",
    "build_like",
    "check_built",
    "check_model",
    "check_runs",
    "compile_alike",
    "compile_for_inference",
    "computes_its_graph",
    "constructor_arguments",
    "first_line",
    "has_graph",
    "is_being_trained",
    "is_own",
    "layers_inside",
    "outputs",
    "random_inputs_of",
    "running_statistics",
]
