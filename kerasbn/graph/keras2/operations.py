"""Functions of TensorFlow between the layers of Keras 2, as operators of Keras 3.

tf_keras makes a layer of each: `TFOpLambda` and `SlicingOpLambda`, with the function's
name and its arguments except the first among those of the call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasbn.graph.keras2.objects import TranslationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kerasbn.graph.model import Shape

    Arguments = dict[str, Any]


class Operation(NamedTuple):
    """An operator of Keras 3, and the arguments of its call.

    Attributes:
        name: its class.
        module: the part of `keras.src.ops` that holds it; `layers` if it is a layer.
        config: its configuration.
        args: its positional arguments.
    """

    name: str
    module: str
    config: dict[str, Any]
    args: list[Any]


# Functions of one tensor only, and of two.
_UNARY = {
    "numpy": {
        **{
            name: name.capitalize()
            for name in (
                *("negative", "square", "sqrt", "exp", "expm1", "log", "log1p", "sign"),
                *("floor", "ceil", "sin", "cos", "tan", "sinh", "cosh", "tanh"),
                *("reciprocal", "round"),
            )
        },
        "abs": "Absolute",
        "logical_not": "LogicalNot",
        "zeros_like": "ZerosLike",
        "ones_like": "OnesLike",
    },
    "nn": {
        **{
            name: name.capitalize()
            for name in ("relu", "relu6", "elu", "selu", "sigmoid", "softplus")
        },
        "softsign": "Softsign",
        "silu": "Silu",
        "swish": "Silu",
    },
    "math": {"rsqrt": "Rsqrt", "erf": "Erf"},
    "core": {"stop_gradient": "StopGradient"},
}
_BINARY = {
    "add": "Add",
    "subtract": "Subtract",
    "multiply": "Multiply",
    "truediv": "TrueDivide",
    "divide": "TrueDivide",
    "floor_div": "FloorDivide",
    "floordiv": "FloorDivide",
    "floormod": "Mod",
    "mod": "Mod",
    "pow": "Power",
    "maximum": "Maximum",
    "minimum": "Minimum",
    "greater": "Greater",
    "greater_equal": "GreaterEqual",
    "less": "Less",
    "less_equal": "LessEqual",
    "equal": "Equal",
    "not_equal": "NotEqual",
    "logical_and": "LogicalAnd",
    "logical_or": "LogicalOr",
}
_REDUCTIONS = {
    "reduce_mean": "Mean",
    "reduce_sum": "Sum",
    "reduce_max": "Max",
    "reduce_min": "Min",
    "reduce_prod": "Prod",
    "reduce_std": "Std",
    "reduce_variance": "Var",
    "reduce_all": "All",
    "reduce_any": "Any",
}
_WITHOUT_EFFECT = {"name", "conjugate"}
_SECOND = ("y", "bias", "b", "exponent")


def is_operation(entry: Mapping[str, Any]) -> bool:
    """Whether a layer's entry stands for a TensorFlow function."""
    return entry.get("class_name") in ("TFOpLambda", "SlicingOpLambda")


def operation(
    entry: Mapping[str, Any], first: Any, kwargs: Mapping[str, Any], shape: Shape | None
) -> Operation:
    """Return the operator of Keras 3 for a call of a function.

    Args:
        entry: the layer's entry.
        first: the first argument of the call, with its tensors serialised.
        kwargs: the other arguments.
        shape: the shape of the first tensor, if it is known.

    Raises:
        TranslationError: if there is none that computes the same.
    """
    function = str((entry.get("config") or {}).get("function"))
    # `math.add`, `__operators__.add` and `compat.v1.add` are the same.
    name = function.split(".")[-1]
    given = {k: v for k, v in kwargs.items() if k not in _WITHOUT_EFFECT}
    if function == "image.resize":
        return _resize(first, given)
    for module, names in _UNARY.items():
        if name in names:
            return _only(function, given, Operation(names[name], module, {}, [first]))
    if name in _BINARY:
        second = next((given.pop(key) for key in _SECOND if key in given), None)
        done = Operation(_BINARY[name], "numpy", {}, [first, constant(second)])
        return _only(function, given, done._replace(args=_constants(done.args)))
    if name in _REDUCTIONS:
        config = {
            "axis": given.pop("axis", None),
            "keepdims": bool(given.pop("keepdims", given.pop("keep_dims", False))),
        }
        return _only(
            function, given, Operation(_REDUCTIONS[name], "numpy", config, [first])
        )
    if name in _OTHERS:
        done = _OTHERS[name](first, given, shape)
        return _only(function, given, done)
    raise TranslationError(f"Keras 3 has no operator for its function tf.{function}")


def _only(function: str, left: Arguments, done: Operation) -> Operation:
    """Check that no argument is left over and that the config holds no tensor."""
    odd = {key: value for key, value in left.items() if value is not None}
    if odd or _holds_tensor(done.config):
        raise TranslationError(
            f"the arguments of its function tf.{function} are not all known: "
            f"{str(odd or done.config)[:80]}"
        )
    return done


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return True
        value = list(value.values())
    return isinstance(value, list) and any(map(_holds_tensor, value))


def constant(value: Any) -> Any:
    """Mark an argument that may be an array, as Keras 3 requires."""
    if isinstance(value, list):
        is_whole = re.fullmatch(r"[\[\]\d\s,-]*", str(value)) is not None
        dtype = "int32" if is_whole else "float32"
        return {"class_name": "__tensor__", "config": {"value": value, "dtype": dtype}}
    return value


def _constants(args: list[Any]) -> list[Any]:
    return [constant(argument) for argument in args]


def _resize(first: Any, given: Arguments) -> Operation:
    config = {
        "size": given.pop("size", None),
        "interpolation": given.pop("method", "bilinear"),
        "antialias": bool(given.pop("antialias", False)),
        "data_format": "channels_last",
    }
    if given.pop("preserve_aspect_ratio", False):
        raise TranslationError("it resizes with preserve_aspect_ratio")
    return _only("image.resize", given, Operation("Resize", "image", config, [first]))


def _matmul(first: Any, given: Arguments, shape: Shape | None) -> Operation:
    second = given.pop("b", None)
    flips = [bool(given.pop(f"transpose_{which}", False)) for which in "ab"]
    if not any(flips):
        return Operation("Matmul", "numpy", {}, [first, constant(second)])
    if shape is None or isinstance(second, list):
        raise TranslationError("it transposes one of its operands")
    batch = "abcdefgh"[: len(shape) - 2]
    one, other = (
        batch + (pair[::-1] if flip else pair)
        for pair, flip in zip(("ij", "jk"), flips, strict=True)
    )
    config = {"subscripts": f"{one},{other}->{batch}ik"}
    return Operation("Einsum", "numpy", config, [first, second])


def _pad(first: Any, given: Arguments, _: Shape | None) -> Operation:
    value = given.pop("constant_values", 0)
    config = {
        "pad_width": given.pop("paddings", None),
        "mode": str(given.pop("mode", "CONSTANT")).lower(),
    }
    if config["mode"] == "constant" and value:
        raise TranslationError(f"it pads with {value!r}")
    return Operation("Pad", "numpy", config, [first])


def _squeeze(first: Any, given: Arguments, _: Shape | None) -> Operation:
    axis = given.pop("axis", None)
    if given.get("squeeze_dims") is not None:
        axis = given.pop("squeeze_dims")
    if isinstance(axis, list) and len(axis) == 1:
        (axis,) = axis
    return Operation("Squeeze", "numpy", {"axis": axis}, [first])


def _where(first: Any, given: Arguments, _: Shape | None) -> Operation:
    chosen = [constant(given.pop(key, None)) for key in ("x", "y")]
    if None in chosen:
        raise TranslationError("it returns the indices where its input is true")
    return Operation("Where", "numpy", {}, [first, *chosen])


def _split(first: Any, given: Arguments, _: Shape | None) -> Operation:
    sections = given.pop("num_or_size_splits", None)
    if isinstance(sections, list):  # Sizes, while Keras 3 takes the places between.
        if not all(isinstance(size, int) and size >= 0 for size in sections):
            raise TranslationError(f"it splits into {sections}")
        sections = [sum(sections[:n]) for n in range(1, len(sections))]
    config = {"indices_or_sections": sections, "axis": given.pop("axis", 0)}
    given.pop("num", None)
    return Operation("Split", "numpy", config, [first])


def _l2_normalize(first: Any, given: Arguments, _: Shape | None) -> Operation:
    # x * rsqrt(max(sum(x²), epsilon)) there, x * min(1 / norm, 1 / epsilon) here.
    epsilon = given.pop("epsilon", None)
    config = {
        "axis": given.pop("axis", given.pop("dim", None)),
        "order": 2,
        "epsilon": (1e-12 if epsilon is None else epsilon) ** 0.5,
    }
    return Operation("Normalize", "nn", config, [first])


def _getitem(first: Any, given: Arguments, _: Shape | None) -> Operation:
    spec = given.pop("slice_spec", None)
    parts = [_slice(part) for part in (spec if isinstance(spec, list) else [spec])]
    return Operation("GetItem", "numpy", {}, [first, parts])


def _slice(part: Any) -> Any:
    if isinstance(part, dict) and {"start", "stop", "step"} <= part.keys():
        ends = {key: part[key] for key in ("start", "stop", "step")}
        if all(end is None or isinstance(end, int) for end in ends.values()):
            return {"class_name": "__slice__", "config": ends}
    elif isinstance(part, dict) and "ellipsis" in str(part).lower():
        return {"class_name": "__ellipsis__", "config": {}}
    elif part is None or isinstance(part, int):
        return part
    raise TranslationError(f"it slices with {str(part)[:60]!r}")


def _with(
    name: str, module: str, /, **arguments: tuple[str, Any]
) -> Callable[[Any, Arguments, Shape | None], Operation]:
    """Return a maker of operators with renamed arguments in the configuration."""

    def make(first: Any, given: Arguments, _: Shape | None) -> Operation:
        config = {
            key: given.pop(old, default) for key, (old, default) in arguments.items()
        }
        return Operation(name, module, config, [first])

    return make


_OTHERS: dict[str, Callable[[Any, Arguments, Shape | None], Operation]] = {
    "getitem": _getitem,
    "matmul": _matmul,
    "pad": _pad,
    "squeeze": _squeeze,
    "where": _where,
    "where_v2": _where,
    "split": _split,
    "l2_normalize": _l2_normalize,
    "bias_add": lambda first, given, _: Operation(
        "Add",
        "numpy",
        {},
        [first, constant(given.pop("bias", None) if not _nchw(given) else None)],
    ),
    "add_n": lambda first, _, __: Operation("Add", "layers", {}, [first]),
    "reshape": _with("Reshape", "numpy", newshape=("shape", None)),
    "concat": _with("Concatenate", "numpy", axis=("axis", None)),
    "stack": _with("Stack", "numpy", axis=("axis", 0)),
    "transpose": _with("Transpose", "numpy", axes=("perm", None)),
    "expand_dims": _with("ExpandDims", "numpy", axis=("axis", None)),
    "cast": _with("Cast", "core", dtype=("dtype", None)),
    "tile": _with("Tile", "numpy", repeats=("multiples", None)),
    "reverse": _with("Flip", "numpy", axis=("axis", None)),
    "clip_by_value": _with(
        "Clip", "numpy", x_min=("clip_value_min", None), x_max=("clip_value_max", None)
    ),
    "leaky_relu": _with("LeakyRelu", "nn", negative_slope=("alpha", 0.2)),
    "softmax": _with("Softmax", "nn", axis=("axis", -1)),
    "log_softmax": _with("LogSoftmax", "nn", axis=("axis", -1)),
    "gelu": _with("Gelu", "nn", approximate=("approximate", False)),
    "argmax": _with("Argmax", "numpy", axis=("axis", 0)),
    "depth_to_space": _with("DepthToSpace", "nn", block_size=("block_size", None)),
    "space_to_depth": _with("SpaceToDepth", "nn", block_size=("block_size", None)),
}


def _nchw(given: Arguments) -> bool:
    return str(given.pop("data_format", None) or "N...C").startswith("NC")
