"""The Keras a source is written for: by its imports, or what its project requires."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ....semantics import CURRENT, KerasVersion, parse_version
from .memo import remembered
from .refused_calls import makes_refused_calls
from .signs import Sign
from .text import without_comments

if TYPE_CHECKING:
    from .module import Module
    from .requirements import Requirements


@remembered
def keras_for(module: Module) -> KerasVersion:
    """Return which Keras a module is written for."""
    project = module.project
    keras = keras_of_source(module.keras_version, module.text, project.requirements)
    return KerasVersion((2,)) if keras.assumed and project.is_for_keras_2 else keras


@remembered
def backend(module: Module) -> str | None:
    """Return the backend on which it runs Keras 3, where it says so."""
    return backend_of(module.text)


def keras_of_source(
    keras_version: str | None, text: str, requirements: Requirements
) -> KerasVersion:
    """The Keras of a source: what the user says, its own imports, its project."""
    named = parse_version(keras_version or "")
    if named is not None:
        return KerasVersion(named)
    if has_sign(_LEGACY, text):
        return KerasVersion((2,))
    if has_sign(_KERAS_3, text):
        asked = requirements.keras
        return KerasVersion(asked if asked and asked >= (3,) else (3,))
    if requirements.keras is not None:
        return KerasVersion(requirements.keras)
    if makes_refused_calls(text):
        return KerasVersion((2,))
    return KerasVersion(CURRENT, assumed=True)


def shows_keras_3(text: str) -> bool:
    """Whether the code of a source uses what only Keras 3 has."""
    return has_sign(_KERAS_3, text)


def has_sign(signs: tuple[Sign, ...], text: str) -> bool:
    """Whether one of the signs is in the code, not in a comment or in a string."""
    if not any(sign.search(text) for sign in signs):
        return False
    code = without_comments(text)
    return any(sign.search(code) for sign in signs)


def backend_of(text: str) -> str | None:
    """The backend that a source runs Keras 3 on, where it says so.

    It says so by choosing one; or by importing JAX and neither of the others, which
    the default would need.
    """
    may_choose = "KERAS_BACKEND" in text or "set_backend" in text
    if not (may_choose or _FRAMEWORK.search(text)):
        return None
    text = without_comments(text)
    chosen = {match["backend"] for match in _BACKEND.finditer(text)}
    if chosen:
        return chosen.pop() if len(chosen) == 1 else None
    imported = {match["name"] for match in _FRAMEWORK.finditer(text)}
    return "jax" if imported == {"jax"} else None


_BACKEND = re.compile(
    r"""^[^#\n]*(?:\bKERAS_BACKEND["'\]]*\)?[ \t]*[,=]|\bset_backend\()[ \t]*
    ["'](?P<backend>\w+)["']""",
    re.MULTILINE | re.VERBOSE,
)
_FRAMEWORK = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+(?P<name>jax|tensorflow|torch)\b", re.MULTILINE
)


# What exists only in Keras 2, tf_keras or TensorFlow 1. Where some word of a sign is a
# common one, its pattern does not begin with `\b`, which takes twenty times as long.
_LEGACY = (
    Sign("tf_keras", r"^[ \t]*(?:import[ \t][^\n#]*\b|from[ \t]+)tf_keras\b"),
    Sign(
        "TF_USE_LEGACY_KERAS",
        r"""TF_USE_LEGACY_KERAS["'\]]*\)?[ \t]*[,=][ \t]*["'](?:1|[Tt]rue)""",
    ),
    Sign(
        "tf.contrib | flow.contrib | v1.contrib | tf.layers | flow.layers | v1.layers",
        r"\b(?:tf|tensorflow)\.(?:compat\.v1\.)?(?:contrib\b|layers\.)",
    ),
    Sign(
        "tensorflow.contrib | tensorflow.layers",
        r"^[ \t]*from[ \t]+tensorflow\.(?:contrib|layers)\b",
    ),
    Sign(
        "tf_slim | tensorflow.contrib",
        r"^[ \t]*(?:import|from)[ \t]+(?:tf_slim\b|tensorflow\.contrib\b)",
    ),
    Sign(
        "placeholder( | Session( | get_variable( | estimator.",
        r"""tf(?<=\btf)\.(?:compat\.v1\.)?
        (?:placeholder|Session|get_variable|estimator\.\w+)\(""",
    ),
    Sign("Optimizer(", r"\btf\.(?:compat\.v1\.)?train\.\w+Optimizer\("),
    Sign("CuDNN", r"\bCuDNN(?:LSTM|GRU)\b"),
    Sign(
        "tensorflow_addons | tensorflow_model_optimization",
        r"^[ \t]*(?:import|from)[ \t]+tensorflow_(?:addons|model_optimization)\b",
    ),
    Sign(
        "estimator",
        r"^[ \t]*from[ \t]+tensorflow(?:\.compat\.v1)?[ \t]+import[ \t]+estimator\b",
    ),
    Sign(
        "tensorflow.compat.v1",
        r"^[ \t]*import[ \t]+tensorflow\.compat\.v1[ \t]+as[ \t]+tf\b",
    ),
    Sign("_generator(", r"\b(?:fit|evaluate|predict)_generator\("),
    Sign("predict_classes(", r"\bpredict_classes\("),
    Sign("multi_gpu_model", r"\bmulti_gpu_model\b"),
    Sign("learning_phase(", r"learning_phase\("),
    Sign(
        "K.function( | K.gradients( | K.get_session( | K.set_session(",
        r"K(?<=\bK)\.(?:function|[gs]et_session|gradients)\(",
    ),
    Sign(
        "backend.function( | backend.gradients( | backend.get_ses | backend.set_ses",
        r"backend(?<=\bbackend)\.(?:function|[gs]et_session|gradients)\(",
    ),
    Sign("SyncBatchNormalization", r"\bSyncBatchNormalization\b"),
    Sign("layers.experimental", r"\blayers\.experimental\b"),
    Sign("experimental", r"\bkeras\.(?:mixed_precision\.|utils\.)?experimental\b"),
    Sign("nb_epoch=", r"\.fit\([^()]*\bnb_epoch="),
    Sign("optimizers.legacy", r"\bkeras\.optimizers\.legacy\b"),
    Sign(
        "tensorflow.python.keras | tensorflow_core.python.keras",
        r"^[ \t]*from[ \t]+tensorflow(?:_core)?\.python\.keras\b",
    ),
    Sign(
        "Adam( | Adamax( | Adagrad( | Adadelta( | Nadam( | RMSprop( | SGD(",
        r"""\b(?:Adam|Adamax|Adagrad|Adadelta|Nadam|RMSprop|SGD)\(
        (?:\s*(?!params\b)\w+\s*=[^,()\n]+,)*\s*(?:lr|decay)\s*=""",
    ),
    Sign(
        "keras.engine | keras.layers. | keras.utils.",
        r"""^[ \t]*from[ \t]+(?:tensorflow\.(?:python\.)?)?keras\.
        (?:engine|layers\.(?:normalization|convolutional|core|merge|pooling
            |advanced_activations)|utils\.(?:np|generic|data)_utils
            |layers\.experimental)\b""",
    ),
)
# What exists only in Keras 3.
_KERAS_3 = (
    Sign(
        "keras.",
        r"keras(?<=\bkeras)\.(?:ops|random|tree|distribution|StatelessScope)\b",
    ),
    Sign("KERAS_BACKEND", r"\bKERAS_BACKEND\b"),
    Sign("stateless_call(", r"\bstateless_call\("),
    Sign(
        "from keras import | from keras.src import",
        r"^[ \t]*from[ \t]+keras(?:\.src)?[ \t]+import\b[^\n]*\b(?:ops|random)\b",
    ),
    Sign(
        "kerasbn | keras_hub | keras_core",
        r"^[ \t]*(?:import|from)[ \t]+(?:kerasbn|keras_hub|keras_core)\b",
    ),
)
