"""Names in a model's configuration that run no untrusted code.

Keras makes an object of anything that a configuration names: a class or function of any
module, with arguments from the file. Its safe mode forbids what is known to be harmful.
This is the opposite, a list of what is known to be harmless: classes of Keras that
compute with tensors. Anything else is unknown, whoever wrote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LAYERS = """
    Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D
    AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention AugMix
    AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D
    BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate
    ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D
    Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D
    Cropping2D Cropping3D CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization
    Dot Dropout ELU EinsumDense Embedding Equalization Flatten GRU GRUCell
    GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    GroupNormalization GroupQueryAttention HashedCrossing Hashing Identity InputLayer
    IntegerLookup LSTM LSTMCell LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes
    MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp
    MultiHeadAttention Multiply Normalization PReLU Permute Pipeline RMSNormalization
    RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
    RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip
    RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
    RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear
    RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing
    ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D SimpleRNN
    SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D
    SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup Subtract
    TextVectorization TimeDistributed UnitNormalization UpSampling1D UpSampling2D
    UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""
_INITIALIZERS = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer
    LecunNormal LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal
    RandomUniform STFT STFTInitializer TruncatedNormal VarianceScaling Zeros
"""
_POLICIES = """
    DTypePolicy DTypePolicyMap FloatDTypePolicy QuantizedDTypePolicy
    QuantizedFloat8DTypePolicy Int4DTypePolicy GPTQDTypePolicy AWQDTypePolicy
"""
_QUANTIZERS = """
    AbsMaxQuantizer QuantizationConfig Int8QuantizationConfig Int4QuantizationConfig
    Float8QuantizationConfig
"""
_OPTIMIZERS = """
    Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer Muon
    Nadam RMSprop SGD
"""
_SCHEDULES = """
    CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay
    PiecewiseConstantDecay PolynomialDecay
"""
_LOSSES = """
    BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy
    CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge
    Circle CosineSimilarity Dice Hinge Huber KLDivergence LogCosh MeanAbsoluteError
    MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
    SparseCategoricalCrossentropy SquaredHinge Tversky
"""
_METRICS = """
    AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy
    CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation CosineSimilarity
    F1Score FBetaScore FalseNegatives FalsePositives Hinge IoU KLDivergence LogCoshError
    Mean MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper
    MeanSquaredError MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU
    PearsonCorrelation Poisson
    Precision PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError
    SensitivityAtSpecificity SparseCategoricalAccuracy SparseCategoricalCrossentropy
    SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum
    TopKCategoricalAccuracy TrueNegatives TruePositives
"""
_REGULARIZERS = "L1 L1L2 L2 OrthogonalRegularizer"
_CONSTRAINTS = "MaxNorm MinMaxNorm NonNeg UnitNorm"
_MODELS = "Functional Model Sequential"

# The class of functional models has no public name; it has been in two modules.
_FUNCTIONAL = ("keras.src.models.functional", "keras.src.engine.functional")

# Of these, Keras saves the class for PyTorch's tensors, which has no public name.
_TORCH_OPTIMIZERS = "Adadelta Adagrad Adam AdamW Adamax Lion Nadam RMSprop SGD"

# Module -> its allowed classes.
_CLASSES = {
    module: _names(names)
    for module, names in {
        "keras": f"{_MODELS} {_POLICIES} InputLayer",
        "keras.models": _MODELS,
        **dict.fromkeys(_FUNCTIONAL, _MODELS),
        "keras.layers": _LAYERS,
        "keras.initializers": _INITIALIZERS,
        "keras.regularizers": _REGULARIZERS,
        "keras.constraints": _CONSTRAINTS,
        "keras.dtype_policies": _POLICIES,
        "keras.mixed_precision": _POLICIES,
        "keras.quantizers": _QUANTIZERS,
        "keras.random": "SeedGenerator",
        "keras.optimizers": _OPTIMIZERS,
        "keras.optimizers.schedules": _SCHEDULES,
        "keras.losses": _LOSSES,
        "keras.metrics": _METRICS,
        **{
            f"keras.src.backend.torch.optimizers.torch_{name.lower()}": name
            for name in _TORCH_OPTIMIZERS.split()
        },
    }.items()
}
_ANYWHERE = frozenset().union(*_CLASSES.values())

_ACTIVATIONS = _names(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh
    leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu
    soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax
    squareplus swish tanh tanh_shrink threshold
    """
)
# Losses and metrics that are functions.
_SCORES = _names(
    """
    binary_accuracy binary_crossentropy binary_focal_crossentropy categorical_accuracy
    categorical_crossentropy categorical_focal_crossentropy
    categorical_generalized_cross_entropy categorical_hinge circle cosine_similarity
    ctc dice hinge huber kl_divergence log_cosh mean_absolute_error
    mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error
    poisson sparse_categorical_accuracy sparse_categorical_crossentropy
    sparse_top_k_categorical_accuracy squared_hinge top_k_categorical_accuracy tversky
    """
)
# Keras looks for functions of the module "builtins" in its own modules.
_FUNCTIONS = {
    "keras.activations": _ACTIVATIONS,
    "keras.losses": _SCORES,
    "keras.metrics": _SCORES,
    "builtins": _ACTIVATIONS | _SCORES,
}

# Modules of operators, which are classes, and begin with a capital letter. Operators
# that call functions are left out: Map, Scan, Cond, WhileLoop and so on.
_OPERATORS = frozenset(
    f"keras.src.ops.{name}"
    for name in ("numpy", "nn", "math", "linalg", "image", "einops")
)
_CORE = "keras.src.ops.core"
_CORE_OPERATORS = _names(
    """
    Scatter ScatterUpdate Slice SliceUpdate StopGradient Unstack Cast SaturateCast
    ConvertToTensor
    """
)
_OPERATOR = re.compile("[A-Z][A-Za-z0-9]*")
# Kerasbn's own layer, under its registered name.
_OURS = "kerasbn>BatchNormalization"

# Keras' form of values that JSON lacks. `__lambda__` and `__typespec__`, which name
# code, are not included.
_VALUES = _names(
    "__keras_tensor__ __tensor__ __numpy__ __bytes__ __ellipsis__ __slice__"
)
# Arguments of lookups and tokenizers that are paths if they are strings.
_FILES = ("vocabulary", "merges", "proto")


@dataclass(frozen=True)
class Trust:
    """The additional objects that the user allows to be made.

    Attributes:
        registered: the names under which classes and functions are registered with
            Keras, such as `package>Class`.
        everything: whether anything that the file holds or names may be run.
    """

    registered: frozenset[str] = frozenset()
    everything: bool = False


NO_TRUST = Trust()
"""Keras' own harmless classes and kerasbn's layer, and nothing else."""


class Unknown(NamedTuple):
    """A part of a configuration that may run untrusted code.

    Attributes:
        layer: the path of the layer that holds it; "" for the model itself.
        what: the class or function, or any other problem.
        module: the module in which Keras would look it up, if it is a class of Keras.
        name: its name there.
    """

    layer: str
    what: str
    module: str = ""
    name: str = ""

    def __str__(self) -> str:
        holder = f"`{self.layer}`" if self.layer else "the model"
        return f"{holder} holds {self.what}"


def unknown_parts(model: Any, trust: Trust = NO_TRUST) -> list[Unknown]:
    """Find everything that a configuration names that is not known to be harmless.

    Args:
        model: the configuration of a model, or a list of configurations. For a single
            one, `compile_config` is left out: the loader must pass `compile=False`.
        trust: the additional objects that are allowed.
    """
    if trust.everything:
        return []
    outermost = None if isinstance(model, dict) else ""
    if isinstance(model, dict):
        model = {key: item for key, item in model.items() if key != "compile_config"}
    return list(dict.fromkeys(_unknown(model, outermost, trust)))


def _unknown(value: Any, layer: str | None, trust: Trust) -> Iterator[Unknown]:
    """Find the unknown parts of a value; `layer` is None for the outermost model."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _unknown(item, layer, trust)
    if not isinstance(value, dict):
        return
    if "class_name" in value:
        layer = "" if layer is None else _path(value, layer)
        if not _is_known(value, trust):
            yield Unknown(layer, _described(value), *_place(value))
        elif _reads_a_file(value):
            yield Unknown(layer, f"{value['class_name']} with a vocabulary elsewhere")
    for item in value.values():
        yield from _unknown(item, layer or "", trust)


def _path(entry: dict[str, Any], parent: str) -> str:
    """Return the path of a layer, or of the one that holds an unnamed object."""
    inner = entry.get("config")
    name = entry.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
    if not isinstance(name, str):
        return parent
    return f"{parent}/{name}" if parent else name


def _is_known(entry: dict[str, Any], trust: Trust) -> bool:
    """Whether the object that Keras would make of an entry is known."""
    name, module = entry["class_name"], entry.get("module")
    registered = entry.get("registered_name", name)
    if not isinstance(name, str) or not isinstance(registered, str | None):
        return False
    if name.startswith("__"):  # Keras checks this first, whatever else is there.
        return name in _VALUES or (name == "__tuple__" and "config" not in entry)
    if name == "function":
        return _is_known_function(entry, trust)
    if registered == _OURS or registered in trust.registered:
        return True
    if registered not in (None, name):
        return False
    if "module" not in entry:  # A legacy file: Keras looks in the kind's module.
        return name in _ANYWHERE
    if not isinstance(module, str):
        return False
    if module == _CORE:
        return name in _CORE_OPERATORS
    if module in _OPERATORS:
        return _OPERATOR.fullmatch(name) is not None
    return name in _CLASSES.get(module, ())


def _is_known_function(entry: dict[str, Any], trust: Trust) -> bool:
    name = entry.get("config")
    if not isinstance(name, str):
        return False
    return name in trust.registered or (
        entry.get("registered_name") in (None, name, "function")
        and name in _FUNCTIONS.get(str(entry.get("module")), ())
    )


def _reads_a_file(entry: dict[str, Any]) -> bool:
    """Whether a known class would read a file that its arguments name."""
    config = entry.get("config")
    return isinstance(config, dict) and any(
        isinstance(config.get(key), str) for key in _FILES
    )


def _place(entry: dict[str, Any]) -> tuple[str, str]:
    """Return the module and name of a class of Keras."""
    name, module = entry["class_name"], entry.get("module")
    if not isinstance(module, str) or not module.startswith("keras."):
        return "", ""
    return module, str(name)


def _described(entry: dict[str, Any]) -> str:
    name, module = entry.get("class_name"), entry.get("module")
    registered = entry.get("registered_name")
    if name == "function":
        return f"the function {module}.{entry.get('config')}"
    if name == "__lambda__":
        return "a Python lambda"
    if module == "keras.layers" and registered in (None, name):
        return f"the layer class {name}"
    full = registered if isinstance(registered, str) and ">" in registered else None
    return f"the class {full or (f'{module}.{name}' if module else name)}"
