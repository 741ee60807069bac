"""The Keras 3 class and arguments for each layer of Keras 2.

Only layers and arguments in these tables are translated. An argument that Keras 3 does
not have is left out if it has no effect at inference, or if it has the only value that
Keras 3 supports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerasbn.config_tree import is_graph
from kerasbn.graph.keras2.objects import (
    HARD_SIGMOID,
    TranslationError,
    activation,
    activation_name,
    extra,
    policy,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Config = Mapping[str, Any]
    ModelEntry = Callable[[Config], dict[str, Any]]

_EXTRAS = ("_initializer", "_regularizer", "_constraint")
_KERNEL = "kernel_initializer kernel_regularizer kernel_constraint "
_BIAS = "use_bias bias_initializer bias_regularizer bias_constraint "
_CONVOLUTION = (
    "filters kernel_size strides padding data_format dilation_rate activation "
    "activity_regularizer " + _KERNEL + _BIAS
)
_DEPTHWISE = "depthwise_initializer depthwise_regularizer depthwise_constraint "
_POINTWISE = "pointwise_initializer pointwise_regularizer pointwise_constraint "
_RECURRENT_KERNEL = "recurrent_initializer recurrent_regularizer recurrent_constraint "
_SCALE = (
    "center scale beta_initializer gamma_initializer beta_regularizer "
    "gamma_regularizer beta_constraint gamma_constraint "
)
_RNN = "return_sequences return_state go_backwards stateful unroll "
_CELL = "activation " + _KERNEL + _RECURRENT_KERNEL + _BIAS
_CELL += "dropout recurrent_dropout "
_LSTM = _CELL + "units recurrent_activation unit_forget_bias "
_GRU = _CELL + "units recurrent_activation reset_after "
_DIMENSIONS = (1, 2, 3)


def _each(pattern: str, arguments: str, ranks: tuple[int, ...] = _DIMENSIONS) -> Any:
    return {pattern.format(rank): arguments for rank in ranks}


# The arguments of each layer in Keras 3, under their names there. All have `name`,
# `trainable` and `dtype`.
_ARGUMENTS: dict[str, str] = {
    "InputLayer": "batch_shape sparse ragged",
    "Dense": "units activation activity_regularizer " + _KERNEL + _BIAS,
    "EinsumDense": "equation output_shape activation bias_axes activity_regularizer "
    + _KERNEL
    + _BIAS.removeprefix("use_bias "),
    "Embedding": "input_dim output_dim embeddings_initializer embeddings_regularizer "
    "embeddings_constraint mask_zero",
    **_each("Conv{}D", _CONVOLUTION + "groups"),
    **_each("Conv{}DTranspose", _CONVOLUTION + "output_padding"),
    **_each(
        "DepthwiseConv{}D",
        "kernel_size strides padding depth_multiplier data_format dilation_rate "
        "activation activity_regularizer " + _DEPTHWISE + _BIAS,
        (1, 2),
    ),
    **_each(
        "SeparableConv{}D",
        "filters kernel_size strides padding data_format dilation_rate activation "
        "depth_multiplier activity_regularizer " + _DEPTHWISE + _POINTWISE + _BIAS,
        (1, 2),
    ),
    **_each("MaxPooling{}D", "pool_size strides padding data_format"),
    **_each("AveragePooling{}D", "pool_size strides padding data_format"),
    **_each("GlobalMaxPooling{}D", "data_format keepdims"),
    **_each("GlobalAveragePooling{}D", "data_format keepdims"),
    **_each("ZeroPadding{}D", "padding data_format"),
    **_each("Cropping{}D", "cropping data_format"),
    "UpSampling1D": "size",
    "UpSampling2D": "size data_format interpolation",
    "UpSampling3D": "size data_format",
    "BatchNormalization": "axis momentum epsilon moving_mean_initializer "
    "moving_variance_initializer synchronized " + _SCALE,
    "LayerNormalization": "axis epsilon " + _SCALE,
    "GroupNormalization": "groups axis epsilon " + _SCALE,
    "UnitNormalization": "axis",
    "Normalization": "axis mean variance invert",
    "Activation": "activation",
    "ReLU": "max_value negative_slope threshold",
    "LeakyReLU": "negative_slope",
    "PReLU": "alpha_initializer alpha_regularizer alpha_constraint shared_axes",
    "ELU": "alpha",
    "Softmax": "axis",
    "Dropout": "rate noise_shape seed",
    **_each("SpatialDropout{}D", "rate seed"),
    "AlphaDropout": "rate noise_shape seed",
    "GaussianDropout": "rate seed",
    "GaussianNoise": "stddev seed",
    "ActivityRegularization": "l1 l2",
    "Masking": "mask_value",
    "Flatten": "data_format",
    "Reshape": "target_shape",
    "Permute": "dims",
    "RepeatVector": "n",
    "Identity": "",
    "Rescaling": "scale offset",
    "Resizing": "height width interpolation crop_to_aspect_ratio",
    "CenterCrop": "height width",
    "RandomFlip": "mode seed",
    "RandomRotation": "factor fill_mode fill_value interpolation seed",
    "RandomTranslation": "height_factor width_factor fill_mode fill_value "
    "interpolation seed",
    "RandomZoom": "height_factor width_factor fill_mode fill_value interpolation seed",
    "RandomContrast": "factor seed",
    **dict.fromkeys(
        ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), ""
    ),
    "Concatenate": "axis",
    "Dot": "axes normalize",
    "Attention": "use_scale score_mode dropout",
    "AdditiveAttention": "use_scale dropout",
    "MultiHeadAttention": "num_heads key_dim value_dim dropout output_shape "
    "attention_axes activity_regularizer " + _KERNEL + _BIAS,
    "LSTM": _LSTM + _RNN,
    "GRU": _GRU + _RNN,
    "SimpleRNN": _CELL + "units " + _RNN,
    "LSTMCell": _LSTM,
    "GRUCell": _GRU,
    "SimpleRNNCell": _CELL + "units",
    **_each(
        "ConvLSTM{}D",
        _RNN + _CELL + "filters kernel_size strides padding data_format "
        "dilation_rate recurrent_activation unit_forget_bias",
    ),
    "RNN": "cell " + _RNN,
    "StackedRNNCells": "cells",
    "Bidirectional": "layer merge_mode backward_layer",
    "TimeDistributed": "layer",
}
_ALIASES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "LSTMV2": "LSTM",
    "GRUV2": "GRU",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "ThresholdedReLU": "ReLU",
}
_RENAMED = {
    ("LeakyReLU", "alpha"): "negative_slope",
    ("ThresholdedReLU", "theta"): "threshold",
    ("InputLayer", "batch_input_shape"): "batch_shape",
}
# Arguments without an effect at inference.
_WITHOUT_EFFECT = frozenset(
    (
        *("batch_input_shape", "input_dtype", "dynamic", "autocast", "implementation"),
        *("input_length", "optional", "noise_shape", "fused", "experimental_autocast"),
        *("jit_compile", "zero_output_for_mask", "experimental_run_tf_function"),
        *("query_shape", "key_shape", "value_shape", "softmax_robust_masking"),
        *("kernel_initializer", "kernel_regularizer", "kernel_constraint"),
        *(
            "type_spec",
            "shared_object_id",
        ),
        *("cell_activation", "num_constants", "inner_activation", "virtual_batch_size"),
        *("renorm_clipping", "renorm_momentum", "adjustment", "rng_type"),
        "activity_regularizer",
    )
)
# Arguments of Keras 2 that must have this value, the only one that Keras 3 supports.
_FIXED: dict[str, Any] = {
    "groups": 1,
    "time_major": False,
    "causal": False,
    "renorm": False,
    "ragged": False,
}
# Defaults of Keras 2 in files older than the argument, unlike Keras 3's.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "GRU": {"reset_after": False},
    "GRUCell": {"reset_after": False},
    "ThresholdedReLU": {"theta": 1.0},
    "LeakyReLU": {"alpha": 0.3},
}


_FROM_CODE = (
    "Keras 3 does not load the file either. Build the model in Keras 3 from its code, "
    "and load its weights: model.load_weights({path!r})."
)
_CUDNN = (
    "Keras 3 does not load the file either. Build the model in tf_keras with {kind} in "
    "its place, load the weights there, which converts them "
    "(model.load_weights({{path!r}})), save that, and use it."
)
_REMEDIES = {
    "Lambda": _FROM_CODE,
    "TensorFlowOpLayer": _FROM_CODE,
    "AddLoss": _FROM_CODE,
    "AddMetric": _FROM_CODE,
    "CuDNNLSTM": _CUDNN.format(kind="LSTM"),
    "CuDNNGRU": _CUDNN.format(kind="GRU(reset_after=True)"),
}


def class_of(name: str) -> str | None:
    """Return the class in Keras 3 of a layer of Keras 2; None if it is not known."""
    name = _ALIASES.get(name, name)
    return name if name in _ARGUMENTS else None


def layer_entry(
    entry: Mapping[str, Any], name: str, model_entry: ModelEntry
) -> dict[str, Any]:
    """Return the entry of a layer in the form of a `.keras` file of Keras 3.

    Args:
        entry: the layer's entry in a configuration of Keras 2.
        name: its new name.
        model_entry: translates the entry of a model inside the layer.

    Raises:
        TranslationError: if the layer or one of its arguments is not known.
    """
    old = str(entry["class_name"]).rpartition(">")[2]
    new = class_of(old)
    if old == "Lambda":
        reason = "it holds Python code, which is never run"
        raise TranslationError(reason, _REMEDIES[old])
    if new is None or ">" in str(entry["class_name"]):
        reason = f"its class {entry['class_name']} is not known"
        raise TranslationError(reason, _REMEDIES.get(old))
    given = entry.get("config") or {}
    config: dict[str, Any] = {"name": name}
    for key, value in {**_DEFAULTS.get(old, {}), **given}.items():
        if key != "name":
            config.update(_argument(old, new, key, value, model_entry))
    config["dtype"] = policy(given.get("dtype"))
    if new == "BatchNormalization":
        _one_axis(config)
    if new.startswith("SpatialDropout"):  # The only kind without `trainable`.
        config.pop("trainable", None)
    return keras_3_entry(new, config)


def keras_3_entry(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of one of Keras' own layers."""
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": config,
        "registered_name": None,
    }


def _argument(
    old: str, new: str, key: str, value: Any, model_entry: ModelEntry
) -> dict[str, Any]:
    """Return an argument under its name in Keras 3; nothing if it has no effect."""
    key = _RENAMED.get((old, key), key)
    if key in ("trainable", "dtype"):
        return {} if value is None else {key: value}
    if key not in _ARGUMENTS[new].split():
        if key in _FIXED and value in (None, _FIXED[key]):
            return {}
        if key in _WITHOUT_EFFECT and key not in _FIXED:
            return {}
        raise TranslationError(f"Keras 3 does not know its argument {key}={value!r}")
    if key in ("activation", "recurrent_activation"):
        return {key: activation(value)}
    if key.endswith(_EXTRAS):
        found = extra(key.rpartition("_")[2], value)
        return {} if found is None else {key: found}
    if key in ("layer", "backward_layer", "cell"):
        return {} if value is None else {key: _inner(value, model_entry)}
    if key == "cells":
        return {key: [_inner(cell, model_entry) for cell in value]}
    if key in ("negative_slope", "threshold", "alpha", "max_value"):
        value = value.get("value") if isinstance(value, dict) else value
    return {key: value}


def _inner(entry: Any, model_entry: ModelEntry) -> dict[str, Any]:
    """Translate a layer inside a wrapper, or a cell."""
    if not isinstance(entry, dict):
        raise TranslationError(f"it holds {str(entry)[:60]!r}, which is not a layer")
    if is_graph(entry):
        return model_entry(entry)
    config = entry.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    name = str(name or entry.get("class_name")).replace("/", "_")
    return layer_entry(entry, name, model_entry)


def _one_axis(config: dict[str, Any]) -> None:
    axis = config.get("axis")
    if not isinstance(axis, list):
        return
    if len(axis) != 1:
        raise TranslationError(
            f"it normalizes over axis={axis}, which stock Keras 3 does not support"
        )
    config["axis"] = axis[0]


def is_hard_sigmoid(entry: Mapping[str, Any]) -> bool:
    """Whether it is a layer that ends in the hard sigmoid of Keras 2."""
    config = entry.get("config")
    known = class_of(str(entry.get("class_name")))
    return (
        isinstance(config, dict)
        and activation_name(config.get("activation")) == HARD_SIGMOID
        and known is not None
        and known not in _STATEFUL
    )


def without_activation(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the layer's entry with a linear activation."""
    return {**entry, "config": {**entry["config"], "activation": "linear"}}


_STATEFUL = frozenset(kind for kind in _ARGUMENTS if "recurrent" in _ARGUMENTS[kind])
