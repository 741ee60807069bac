"""Stock batch normalization in a live model for kerasbn's, and back.

A model goes through a `.keras` file, whose configuration names each layer's class;
there the one class is written for the other. Both have the same weights under the
same names, so all that the file holds, vocabularies too, fits the new model. What a
file does not hold is carried over from the live model: the seeds, which layers are
frozen, and how it was compiled.
"""

from __future__ import annotations

import json
import math
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from kerasbn import live
from kerasbn.layer import BatchNormalization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Entry = dict[str, Any]  # a serialized object: its class, its module, its `config`

_FLOAT16_MAX = 65504

_STOCK: Entry = {
    "module": "keras.layers",
    "class_name": "BatchNormalization",
    "registered_name": None,
}
_OURS: Entry = {
    "module": BatchNormalization.__module__,
    "class_name": "BatchNormalization",
    "registered_name": keras.saving.get_registered_name(BatchNormalization),
}


def upgrade(model: Any) -> Any:
    """The same model with `kerasbn.BatchNormalization` for Keras' own.

    `model` itself stays as it is. The new one has the same layers, names, options,
    weights and outputs, and each layer that was shared is shared again. It is
    compiled as `model` is, with the state of the optimizer; metrics start anew.
    Layers of Keras that wrap batch normalization are included; custom layers, and
    subclasses of batch normalization, are kept as they are.

    Args:
        model: A built Functional or Sequential `keras.Model`. One of a class of your
            own comes back as a plain `keras.Model`, without its methods.

    Returns:
        A new `keras.Model` or `keras.Sequential`. If it cannot be compiled, or its
        optimizer not be given the state, a warning says so.

    Raises:
        TypeError: If the model is subclassed, so that its code calls its layers.
        ValueError: If it is not built, or shares a layer between nested models.

    Example:
    >>> model = kerasbn.upgrade(keras.applications.MobileNetV2())
    """
    return _exchanged(model, _STOCK, _OURS, lambda found: None)


def downgrade(model: Any) -> Any:
    """The same model with Keras' own batch normalization for kerasbn's.

    As `upgrade`, the other way; the result does not need kerasbn. The statistics of
    `zero_debias` layers are already free of their initial values and stay; only the
    weight they have collected is lost, so that in further training they count as
    complete. A warning names these layers.

    Args:
        model: As for `upgrade`.

    Returns:
        As for `upgrade`.

    Raises:
        TypeError: As for `upgrade`.
        ValueError: As for `upgrade`; also if layers use what stock has not: several
            axes, `momentum=None`, `virtual_batch_size`, or `synchronized` on a
            backend other than TensorFlow; or if their statistics are beyond the
            dtype in which stock keeps them: that of the layer's variables, float16
            maybe. The message names each.
    """
    _check(model)
    _check_range(model)
    return _exchanged(model, _OURS, _STOCK, _check_fits_stock)


def _exchanged(
    model: Any, old: Entry, new: Entry, check: Callable[[list[tuple[str, Entry]]], None]
) -> Any:
    """A copy of the model with one class for the other.

    `check` is given the path and the configuration of each layer found; it raises if
    one cannot be exchanged, and may change them.
    """
    _check(model)
    with tempfile.TemporaryDirectory() as folder:
        saved, edited = Path(folder, "saved.keras"), Path(folder, "edited.keras")
        live.save(model, saved)
        with zipfile.ZipFile(saved) as archive:
            config = json.loads(archive.read("config.json"))
        config.pop("compile_config", None)
        found = list(_found(config["config"], old))
        check([(path, entry["config"]) for path, entry in found])
        for _, entry in found:
            entry.update(new)
        _write_with_config(edited, saved, config)
        copy = live.load(edited, live.custom_objects(model))
    _carry_over(copy, model)
    if model.compiled:
        _compile_alike(copy, model)
    return copy


def _check(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(
            "A Keras model is needed. Received: an object of type "
            f"{type(model).__name__}. Load a file with keras.models.load_model."
        )
    if not live.tells_its_graph(model):
        raise TypeError(
            "A subclassed model's own code makes and calls its layers. Received: "
            f"{type(model).__name__}. Write the other BatchNormalization there, and "
            "hand the weights over by save_weights and load_weights: both layers read "
            "the same files. Or exchange the Functional and Sequential models in it."
        )


def _found(
    node: Any, wanted: Entry, names: tuple[str, ...] = ()
) -> Iterator[tuple[str, Entry]]:
    """The wanted entries in a configuration, each with its path.

    `names` are those of the models and layers around the node. What is within a
    custom object stays: that alone knows what its configuration means.
    """
    if isinstance(node, list):
        for item in node:
            yield from _found(item, wanted, names)
    if not isinstance(node, dict):
        return
    config = node.get("config")
    if "class_name" in node and isinstance(config, dict):
        if "name" in config:
            names = (*names, str(config["name"]))
        if wanted.items() <= node.items():
            yield "/".join(names), node
        elif str(node.get("module")).split(".")[0] == "keras":
            yield from _found(config, wanted, names)
        return
    for item in node.values():
        yield from _found(item, wanted, names)


def _check_fits_stock(configs: list[tuple[str, Entry]]) -> None:
    reasons = [(path, _why_not_stock(config)) for path, config in configs]
    lines = [f"  {path}: {reason}" for path, reason in reasons if reason]
    if lines:
        raise ValueError(
            "keras.layers.BatchNormalization cannot do what these layers do. "
            "Received:\n" + "\n".join(lines)
        )
    debiased = [path for path, c in configs if c.pop("zero_debias", False)]
    if debiased:
        warnings.warn(
            "keras.layers.BatchNormalization has no zero_debias: the statistics stay, "
            "and count as complete if training goes on. The weight that they have "
            f"collected is lost in {debiased}.",
            stacklevel=4,
        )


def _why_not_stock(config: Entry) -> str | None:
    if not isinstance(config["axis"], int):
        return f"axis={config['axis']}; stock has one axis. Keep this layer."
    if config["momentum"] is None:
        return "momentum=None; set a number as the layer's momentum first."
    if (size := config.get("virtual_batch_size")) is not None:
        return f"virtual_batch_size={size}; stock has none. Set it to None first."
    if config["synchronized"] and keras.backend.backend() != "tensorflow":
        return "synchronized=True; stock has it on TensorFlow only. Set it to False."
    return None


def _check_range(model: Any) -> None:
    lines = [
        f"  {path}: dtype {layer.variable_dtype}, statistics up to {largest:.3g}"
        for path, layer in _layers(model)
        if isinstance(layer, BatchNormalization) and layer.built
        for largest in [_largest_statistic(layer)]
        if layer.variable_dtype == "float16" and _FLOAT16_MAX < largest < math.inf
    ]
    if lines:
        raise ValueError(
            "keras.layers.BatchNormalization keeps its statistics in the dtype of its "
            "variables, in which these would be infinite. Received:\n"
            + "\n".join(lines)
            + "\nGive these layers the dtype policy mixed_float16 first."
        )


def _layers(parent: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every layer within a layer, with its path."""
    for layer in _children(parent):
        yield prefix + layer.name, layer
        yield from _layers(layer, f"{prefix}{layer.name}/")


def _largest_statistic(layer: Any) -> float:
    return max(
        float(ops.max(ops.abs(ops.convert_to_tensor(variable))))
        for variable in layer.non_trainable_variables
    )


def _write_with_config(path: Path, source: Path, config: Entry) -> None:
    """Copy a `.keras` file, but for its configuration."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.infolist():
            if member.filename == "config.json":
                new.writestr(member, json.dumps(config))
                continue
            with old.open(member) as content, new.open(member, "w") as target:
                while block := content.read(1 << 20):
                    target.write(block)


def _carry_over(copy: Any, original: Any) -> None:
    """Give each layer what a file does not hold: whether it is frozen, and seeds.

    A loaded model sets `trainable` from the outside in, and so unfreezes a frozen
    layer in a model that is not, or the reverse.
    """
    copy.trainable = original.trainable
    seeds = zip(copy._seed_generators, original._seed_generators, strict=False)
    for one, other in seeds:
        _assign_copy(one.state, other.state)
    for one, other in _alike(_children(copy), _children(original)):
        _carry_over(one, other)


def _alike(ones: list[Any], others: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Pairs of the same layers: by name, or by order where names are given anew."""

    def name(layer: Any) -> str:
        return str(layer.name)

    if sorted(map(name, ones)) == sorted(map(name, others)):
        ones, others = sorted(ones, key=name), sorted(others, key=name)
    return zip(ones, others, strict=False)


def _children(layer: Any) -> list[Any]:
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _compile_alike(copy: Any, model: Any) -> None:
    try:
        with keras.saving.custom_object_scope(live.custom_objects(model)):
            copy.compile_from_config(model.get_compile_config())
    except Exception as error:
        warnings.warn(
            "The new model is not compiled, since what the old one was compiled with "
            f"could not be copied: {error}. Compile it.",
            stacklevel=4,
        )
        return
    if not model.optimizer.built:
        return
    old, new = model.optimizer.variables, copy.optimizer.variables
    if [v.shape for v in old] != [v.shape for v in new]:
        warnings.warn(
            "The state of the optimizer was not kept: it is not one of the weights "
            f"that are trainable now. Received: {len(old)} variables for {len(new)}.",
            stacklevel=4,
        )
        return
    for source, target in zip(old, new, strict=True):
        _assign_copy(target, source)


def _assign_copy(target: Any, source: Any) -> None:
    """A shared array would be gone: JAX's `fit` gives those of its variables away."""
    target.assign(ops.copy(ops.convert_to_tensor(source)))
