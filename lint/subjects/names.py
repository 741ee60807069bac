"""The meaning of names of Keras and TensorFlow, however they were imported.

The same layer is `keras.layers.X`, `tf.keras.layers.X`, `tf_keras.layers.X` and more.
Here every spelling is converted to one: `keras.layers.X`.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Longest first: the first prefix that fits is replaced.
_SPELLINGS = (
    ("tensorflow.contrib.keras.python.keras", "keras"),
    ("tensorflow.contrib.keras.api.keras", "keras"),
    ("tensorflow.contrib.keras", "keras"),
    ("tensorflow.python.keras.api._v1.keras", "keras"),
    ("tensorflow.python.keras.api._v2.keras", "keras"),
    ("tensorflow.compat.v1.keras", "keras"),
    ("tensorflow.compat.v2.keras", "keras"),
    ("tensorflow.python.keras", "keras"),
    ("tensorflow.keras", "keras"),
    ("keras._tf_keras.keras", "keras"),
    ("keras.api._v1.keras", "keras"),
    ("keras.api._v2.keras", "keras"),
    ("keras.api", "keras"),
    ("keras.src", "keras"),
    ("tf_keras.src", "keras"),
    ("tf_keras", "keras"),
    ("keras_core", "keras"),  # the preview of Keras 3
    ("tensorflow.contrib.slim", "slim"),
    ("tf_slim", "slim"),
    ("slim.layers", "slim"),
    ("tensorflow.contrib.layers.python.layers.layers", "contrib.layers"),
    ("tensorflow.contrib.layers.python.layers", "contrib.layers"),
    ("tensorflow.python.layers.convolutional", "tensorflow.layers"),
    ("tensorflow.python.layers.core", "tensorflow.layers"),
    ("tensorflow.python.layers.normalization", "tensorflow.layers"),
    ("tensorflow.python.layers.layers", "tensorflow.layers"),
    ("tensorflow.contrib.layers", "contrib.layers"),
    ("tensorflow.compat.v1", "tensorflow"),
    ("tensorflow.compat.v2", "tensorflow"),
)

# Where TensorFlow 1.15 to 2.1 keep what `tensorflow` hands on.
_CORE = re.compile(r"tensorflow_core(?=\.)")
# Keras as other packages hand it on, in whichever version they use.
_HANDED_ON = re.compile(r"[\w.]+\.(compat|backend|proto|internal)\.(tf_)?keras(?=\.)")

# The module below these packages in which a class lives says nothing about it.
_FLAT = ("keras.layers.", "keras.applications.", "keras.models.", "keras.optimizers.")

_ALIASES = {
    "keras.Input": "keras.layers.Input",
    "keras.layers.InputLayer": "keras.layers.InputLayer",
    "keras.Layer": "keras.layers.Layer",
    "keras.engine.Layer": "keras.layers.Layer",
    "keras.engine.base_layer.Layer": "keras.layers.Layer",
    "keras.engine.topology.Layer": "keras.layers.Layer",
    "keras.models.Model": "keras.Model",
    "keras.engine.Model": "keras.Model",
    "keras.engine.training.Model": "keras.Model",
    "keras.engine.network.Network": "keras.Model",
    "keras.models.Functional": "keras.Model",
    "keras.models.Sequential": "keras.Sequential",
    "keras.engine.sequential.Sequential": "keras.Sequential",
    "kerasbn.layer.BatchNormalization": "kerasbn.BatchNormalization",
    "tensorflow.layers.batch_norm": "tensorflow.layers.batch_normalization",
}

BATCH_NORM_LAYERS = frozenset(
    {
        "keras.layers.BatchNormalization",
        "keras.layers.BatchNormalizationV1",
        "keras.layers.BatchNormalizationV2",
        "keras.layers.SyncBatchNormalization",
        "tensorflow.layers.BatchNormalization",
        "kerasbn.BatchNormalization",
    }
)
"""Classes whose instances are BN layers; all take momentum second."""

BATCH_NORM_FUNCTIONS = frozenset(
    {
        "tensorflow.layers.batch_normalization",
        "contrib.layers.batch_norm",
        "slim.batch_norm",
    }
)
"""TensorFlow 1 functions that build BN and apply it at once."""

DECAY_FUNCTIONS = frozenset({"contrib.layers.batch_norm", "slim.batch_norm"})
"""The functions that call momentum `decay` and the flag `is_training`."""

SLIM_NETWORK = re.compile(
    r"(slim\.)?nets\.(resnet|inception|mobilenet|nasnet|pnasnet)\w*\.(\w+\.)*"
    r"(?!\w*(arg_scope|base)$)(resnet|inception|mobilenet|build_p?nasnet)_\w+$"
)
"""Networks that come with slim, and hold its BN under their `arg_scope`."""

_CLASSES = {"keras.Model", "keras.Sequential", "keras.layers.Layer"}
TRAINABLE = ("trainable_variables", "trainable_weights")
"""Attributes of a network without the running statistics."""

DROPOUT_FUNCTIONS = frozenset(
    {"tensorflow.layers.dropout", "contrib.layers.dropout", "slim.dropout"}
)

_DROPOUT = frozenset(
    "keras.layers." + name
    for name in (
        "Dropout",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "AlphaDropout",
    )
)
_NOISE = frozenset({"keras.layers.GaussianNoise", "keras.layers.GaussianDropout"})
_AUGMENTATION = re.compile(
    r"keras\.layers\.(Random[A-Z]\w*|RandAugment|AugMix|MixUp|CutMix)$"
)
# keras.applications whose networks hold BN; VGG and ConvNeXt hold none.
_WITH_BATCH_NORM = re.compile(
    r"keras\.applications\."
    r"(ResNet|MobileNet|EfficientNet|DenseNet|Inception|Xception|NASNet)\w*$"
)

BATCH_NORM = "batch normalization"
DROPOUT = "dropout"
NOISE = "noise"
AUGMENTATION = "random augmentation"


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """Return the canonical spelling of a dotted name."""
    name = _CORE.sub("tensorflow", name)
    for prefix, replacement in _SPELLINGS:
        if name == prefix or name.startswith(prefix + "."):
            name = replacement + name[len(prefix) :]
            break
    else:
        name = _HANDED_ON.sub("keras", name)
    last = name.rpartition(".")[2]
    for package in _FLAT:
        if name.startswith(package) and last[:1].isupper():
            name = package + last
    return _ALIASES.get(name, name)


@lru_cache(maxsize=4096)
def kinds_named(name: str) -> frozenset[str]:
    """Return what makes a network or layer of that name depend on training."""
    if (
        name in BATCH_NORM_LAYERS
        or name in BATCH_NORM_FUNCTIONS
        or _WITH_BATCH_NORM.match(name)
    ):
        return frozenset({BATCH_NORM})
    if name in _DROPOUT:
        return frozenset({DROPOUT})
    if name in _NOISE:
        return frozenset({NOISE})
    if _AUGMENTATION.match(name):
        return frozenset({AUGMENTATION})
    return frozenset()


def mentions_batch_norm(text: str) -> bool:
    """Whether a source may use something of Keras or TensorFlow that is or holds BN."""
    return "atchNorm" in text or "batch_norm" in text or "applications" in text


def mentions_dropout(text: str) -> bool:
    """Whether a source may use a dropout layer of Keras."""
    return "ropout" in text


def is_application(name: str) -> bool:
    """Whether the canonical name is one of Keras' ready-made networks."""
    return name.startswith("keras.applications.")


def is_documented(name: str) -> bool:
    """Whether a star import of Keras brings that name, as far as rules care."""
    return (
        bool(kinds_named(name))
        or name in _CLASSES
        or (name.startswith("keras.layers.") and name.rpartition(".")[2][:1].isupper())
    )
