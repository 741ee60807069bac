"""The folded model in a deployment format, and its comparison with the original.

formats      the formats, and the choice by a destination's name
saved_model  a SavedModel, run by TensorFlow
onnx         an ONNX model, run by ONNX Runtime
litert       a LiteRT model, run by LiteRT or TensorFlow
exporting    Keras' own export, and the comparison with the original
"""

from kerasbn.folding.handover.exporting import Exported, exported, exported_model
from kerasbn.folding.handover.formats import KERAS, Format, format_of

__all__ = ["KERAS", "Exported", "Format", "exported", "exported_model", "format_of"]
