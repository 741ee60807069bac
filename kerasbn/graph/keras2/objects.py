"""Arguments of Keras 2 layers: activations, initializers and the like, dtypes."""

from __future__ import annotations

from typing import Any


class TranslationError(Exception):
    """A layer cannot be translated; says why, and the caller adds which layer.

    Attributes:
        remedy: a way that works, if there is a special one for this reason.
    """

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy


SAME_ACTIVATIONS = frozenset(
    """
    linear relu relu6 elu selu sigmoid tanh softmax softplus softsign swish silu gelu
    exponential mish log_softmax leaky_relu
    """.split()  # noqa: SIM905
)
_EXTRAS = {
    "initializer": {
        "Zeros": (),
        "Ones": (),
        "Constant": ("value",),
        "RandomNormal": ("mean", "stddev", "seed"),
        "RandomUniform": ("minval", "maxval", "seed"),
        "TruncatedNormal": ("mean", "stddev", "seed"),
        "VarianceScaling": ("scale", "mode", "distribution", "seed"),
        "Orthogonal": ("gain", "seed"),
        "Identity": ("gain",),
        **dict.fromkeys(
            (
                *("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal"),
                *("LecunUniform", "LecunNormal"),
            ),
            ("seed",),
        ),
    },
    "regularizer": {"L1": ("l1",), "L2": ("l2",), "L1L2": ("l1", "l2")},
    "constraint": {
        "MaxNorm": ("max_value", "axis"),
        "NonNeg": (),
        "UnitNorm": ("axis",),
        "MinMaxNorm": ("min_value", "max_value", "rate", "axis"),
    },
}
_OLD_NAMES = {"normal": "truncated_normal"}


HARD_SIGMOID = "hard_sigmoid"


def activation_name(value: Any) -> Any:
    """Return the name of an activation, in whichever form; None for none."""
    if not isinstance(value, dict):  # Otherwise a function; newer ones have a module.
        return value
    config = value.get("config")
    if isinstance(config, str):
        return config
    named = config.get("name") if isinstance(config, dict) else None
    return named or value.get("class_name")


def activation(value: Any) -> str | None:
    """Return an activation that is the same function in both.

    `hard_sigmoid` is not: clip(0.2 x + 0.5) in Keras 2, clip(x / 6 + 0.5) in Keras 3.

    Raises:
        TranslationError: for any other.
    """
    name = activation_name(value)
    if name is None or (isinstance(name, str) and name in SAME_ACTIVATIONS):
        return name
    if name == HARD_SIGMOID:
        raise TranslationError(
            "its hard_sigmoid is clip(0.2 x + 0.5), and that of Keras 3 is clip(x / 6 "
            "+ 0.5)",
            "Keras 3 may load the file, but then computes something different. Build "
            "the model in Keras 3 with a function of your own in its place, and load "
            "its weights: model.load_weights({path!r}).",
        )
    raise TranslationError(f"Keras 3 has no equivalent of its {str(name)[:60]!r}")


def extra(kind: str, value: Any) -> dict[str, Any] | None:
    """Return an initializer, regularizer or constraint; None if it may be unknown.

    None of them affects a model that has its weights and is not trained.
    """
    if not isinstance(value, dict):
        return None
    config = value.get("config")
    known = _EXTRAS[kind].get(str(value.get("class_name")))
    if known is None or not isinstance(config, dict):
        return None
    kept = {key: config[key] for key in known if key in config}
    if kept.get("distribution") in _OLD_NAMES:
        kept["distribution"] = _OLD_NAMES[kept["distribution"]]
    return {
        "module": f"keras.{kind}s",
        "class_name": value["class_name"],
        "config": kept,
        "registered_name": None,
    }


def policy(value: Any) -> str:
    """Return the name of a dtype policy.

    Raises:
        TranslationError: if it is not one of Keras' own.
    """
    if isinstance(value, dict):
        inner = value.get("config")
        value = inner.get("name") if isinstance(inner, dict) else None
        if value is None:
            raise TranslationError("its dtype policy is not known")
    if value is None:
        return "float32"
    if not isinstance(value, str):
        raise TranslationError(f"its dtype is {str(value)[:60]!r}")
    return value
