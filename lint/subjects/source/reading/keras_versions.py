"""The Keras a source is written for: by its imports, or what its project requires."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from ....semantics import CURRENT, KerasVersion, parse_version
from .memo import remembered
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
    if _says(_LEGACY, text):
        return KerasVersion((2,))
    if _says(_KERAS_3, text):
        asked = requirements.keras
        return KerasVersion(asked if asked and asked >= (3,) else (3,))
    if requirements.keras is not None:
        return KerasVersion(requirements.keras)
    return KerasVersion(CURRENT, assumed=True)


def shows_keras_3(text: str) -> bool:
    """Whether the code of a source uses what only Keras 3 has."""
    return _says(_KERAS_3, text)


def _says(signs: tuple[_Sign, ...], text: str) -> bool:
    """Whether one of the signs is in the code, not in a comment or in a string."""
    seen = [sign for sign in signs if any(word in text for word in sign.words)]
    if not any(sign.pattern.search(text) for sign in seen):
        return False
    code = without_comments(text)
    return any(sign.pattern.search(code) for sign in seen)


def backend_of(text: str) -> str | None:
    """The backend that a source runs Keras 3 on, where it says so.

    It says so by choosing one; or by importing JAX and neither of the others, which
    the default would need.
    """
    if not (_BACKEND.search(text) or _FRAMEWORK.search(text)):
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


class _Sign:
    """A pattern, and words of which every text has one that the pattern is found in.

    Searching for words takes a hundredth of the time.
    """

    def __init__(self, words: str, pattern: str):
        self.words = words.split()
        self._pattern = pattern

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern, which most runs of the command do without."""
        return re.compile(self._pattern, re.MULTILINE | re.VERBOSE)


# What exists only in Keras 2, tf_keras or TensorFlow 1.
_LEGACY = (
    _Sign("tf_keras", r"^[ \t]*(?:import[ \t][^\n#]*\b|from[ \t]+)tf_keras\b"),
    _Sign(
        "TF_USE_LEGACY_KERAS",
        r"""TF_USE_LEGACY_KERAS["'\]]*\)?[ \t]*[,=][ \t]*["'](?:1|[Tt]rue)""",
    ),
    _Sign(
        "f.contrib w.contrib v1.contrib f.layers. w.layers. v1.layers.",
        r"\b(?:tf|tensorflow)\.(?:compat\.v1\.)?(?:contrib\b|layers\.)",
    ),
    _Sign(
        "tensorflow.contrib tensorflow.layers",
        r"^[ \t]*from[ \t]+tensorflow\.(?:contrib|layers)\b",
    ),
    _Sign(
        "tf_slim tensorflow.contrib",
        r"^[ \t]*(?:import|from)[ \t]+(?:tf_slim\b|tensorflow\.contrib\b)",
    ),
    _Sign(
        "placeholder( Session( get_variable( estimator.",
        r"""\btf\.(?:compat\.v1\.)?
        (?:placeholder|Session|get_variable|estimator\.\w+)\(""",
    ),
    _Sign("Optimizer(", r"\btf\.(?:compat\.v1\.)?train\.\w+Optimizer\("),
    _Sign("CuDNN", r"\bCuDNN(?:LSTM|GRU)\b"),
    _Sign(
        "tensorflow_addons tensorflow_model_optimization",
        r"^[ \t]*(?:import|from)[ \t]+tensorflow_(?:addons|model_optimization)\b",
    ),
    _Sign(
        "estimator",
        r"^[ \t]*from[ \t]+tensorflow(?:\.compat\.v1)?[ \t]+import[ \t]+estimator\b",
    ),
    _Sign(
        "tensorflow.compat.v1",
        r"^[ \t]*import[ \t]+tensorflow\.compat\.v1[ \t]+as[ \t]+tf\b",
    ),
    _Sign("_generator(", r"\b(?:fit|evaluate|predict)_generator\("),
    _Sign("predict_classes(", r"\bpredict_classes\("),
    _Sign("multi_gpu_model", r"\bmulti_gpu_model\b"),
    _Sign("learning_phase(", r"learning_phase\("),
    _Sign(
        "K.function( K.gradients( backend.function( backend.gradients( et_session(",
        r"\b(?:K|backend)\.(?:function|[gs]et_session|gradients)\(",
    ),
    _Sign("SyncBatchNormalization", r"\bSyncBatchNormalization\b"),
    _Sign("layers.experimental", r"\blayers\.experimental\b"),
    _Sign("experimental", r"\bkeras\.(?:mixed_precision\.|utils\.)?experimental\b"),
    _Sign("nb_epoch=", r"\.fit\([^()]*\bnb_epoch="),
    _Sign("optimizers.legacy", r"\bkeras\.optimizers\.legacy\b"),
    _Sign(
        "tensorflow.python.keras",
        r"^[ \t]*from[ \t]+tensorflow\.python\.keras\b",
    ),
    _Sign(
        "Adam( Adamax( Adagrad( Adadelta( Nadam( RMSprop( SGD(",
        r"""\b(?:Adam|Adamax|Adagrad|Adadelta|Nadam|RMSprop|SGD)\(
        (?:\s*(?!params\b)\w+\s*=[^,()\n]+,)*\s*(?:lr|decay)\s*=""",
    ),
    _Sign(
        "keras.engine keras.layers. keras.utils.",
        r"""^[ \t]*from[ \t]+(?:tensorflow\.(?:python\.)?)?keras\.
        (?:engine|layers\.(?:normalization|convolutional|core|merge|pooling
            |advanced_activations)|utils\.(?:np|generic|data)_utils
            |layers\.experimental)\b""",
    ),
)
# What exists only in Keras 3.
_KERAS_3 = (
    _Sign(
        "keras.ops keras.random keras.tree keras.distribution keras.StatelessScope",
        r"\bkeras\.(?:ops|random|tree|distribution|StatelessScope)\b",
    ),
    _Sign("KERAS_BACKEND", r"\bKERAS_BACKEND\b"),
    _Sign("stateless_call(", r"\bstateless_call\("),
    _Sign(
        "ops random",
        r"^[ \t]*from[ \t]+keras(?:\.src)?[ \t]+import\b[^\n]*\b(?:ops|random)\b",
    ),
    _Sign(
        "kerasbn keras_hub keras_core",
        r"^[ \t]*(?:import|from)[ \t]+(?:kerasbn|keras_hub|keras_core)\b",
    ),
)
