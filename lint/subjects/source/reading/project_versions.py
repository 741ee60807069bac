"""Signs that all of a project is for Keras 2, whichever of its files has them.

A single file may be for a Keras that the others are not for, as in a collection of
examples. What counts here is refused by Keras 3, or by the TensorFlow that comes with
it; and no file of the project may show that it is for Keras 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .keras_versions import has_sign, shows_keras_3
from .refused_calls import makes_refused_calls
from .signs import Sign

if TYPE_CHECKING:
    from collections.abc import Iterable

_OPTIMIZERS = "(?:Adam|Adamax|Adagrad|Adadelta|Nadam|RMSprop|SGD)"
_SIGNS = (
    Sign(
        "tensorflow_addons | tensorflow.contrib | tensorflow.python.keras",
        r"""^[ \t]*(?:import|from)[ \t]+
        tensorflow(?:_addons|\.contrib|\.python\.keras)\b""",
    ),
    Sign("tf.contrib.", r"\btf\.contrib\."),
    Sign(
        "_generator( | predict_classes(",
        r"\.(?:(?:fit|evaluate|predict)_generator|predict_classes)\(",
    ),
    Sign("layers.experimental", r"\blayers\.experimental\b"),
    Sign("optimizers.legacy", r"\bkeras\.optimizers\.legacy\b"),
    Sign("scikit_learn", r"\bkeras\.wrappers\.scikit_learn\b"),
    Sign("_decayed_lr(", r"\boptimizer\._decayed_lr\("),
    Sign(
        # Of Keras' own functions; `tf.keras.backend` has kept them.
        "from keras import backend as K | import keras.backend as K",
        r"""^[ \t]*(?:from[ ]keras[ ]import[ ]backend|import[ ]keras\.backend)[ ]as[ ]K
        \b(?s:.*?)\bK\.(?:abs|argmax|batch_(?:dot|get_value|set_value)|cast|clip
            |concatenate|dot|dtype|equal|eval|exp|expand_dims|flatten|function|gather
            |[gs]et_(?:session|value)|gradients|int_shape|learning_phase|log|max|maximum
            |mean|min|ndim|ones|permute_dimensions|placeholder|reshape|shape|sigmoid
            |softmax|sqrt|square|stack|sum|tf|tile|transpose|update|variable|zeros)\b""",
    ),
    Sign("multi_gpu_model", r"\bimport\b[^\n]*\bmulti_gpu_model\b"),
    Sign("CuDNN", r"\bCuDNN(?:LSTM|GRU)\("),
    Sign(
        "lr",
        rf"""optimizers(?<=\boptimizers)\.{_OPTIMIZERS}\(
        (?:\s*\w+\s*=[^,()\n]+,)*\s*lr\s*=""",
    ),
    Sign(
        "lr",
        rf"""keras(?<=\bkeras)\.optimizers[ ]import\b(?s:.*?)
        \b{_OPTIMIZERS}\((?:\s*(?!params\b)\w+\s*=[^,()\n]+,)*\s*lr\s*=""",
    ),
    Sign(
        "keras.engine | keras.layers. | keras.utils.",
        r"""^[ \t]*from[ \t]+(?:tensorflow\.)?keras\.
        (?:engine|layers\.(?:normalization|convolutional|core|merge|pooling
            |advanced_activations)|utils\.(?:np|generic|data)_utils)\b""",
    ),
)
# Methods of the project's own that are called as Keras' were.
_OWN = (
    *("def fit_generator", "def predict_classes"),
    *("def save_weights", "def reset_states"),
)


def are_for_keras_2(texts: Iterable[str]) -> bool:
    """Whether one of the project's files is surely for Keras 2, and none for 3."""
    found = False
    for text in texts:
        if shows_keras_3(text):
            return False
        found = found or _is_for_keras_2(text)
    return found


def _is_for_keras_2(text: str) -> bool:
    if "keras" not in text and "tensorflow" not in text:
        return False  # of another library that has such names
    if any(own in text for own in _OWN):
        return False
    return has_sign(_SIGNS, text) or makes_refused_calls(text)
