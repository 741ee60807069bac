"""Between live Keras models and files: the only bridge."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import TYPE_CHECKING, Any

import keras

from kerasbn import tracing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@contextmanager
def as_graph(model: Any) -> Iterator[Any]:
    """The model itself if it tells its whole graph, else one that its code traces.

    Raises:
        TypeError: if it is no Keras model, or its code cannot be traced.
        ValueError: if it is not built.
    """
    _check_model(model)
    tells = tells_its_graph(model) and not _has_own_call(model)
    if tells and not any(map(tracing.holds_batch_norm, model._flatten_layers())):
        yield model
        return
    _check_built(model)
    with ExitStack() as context:
        try:
            traced = context.enter_context(tracing.traced(model))
        except tracing.CannotTraceError as error:
            if not tells:
                raise TypeError(
                    "The layers of a subclassed model are called by its own code, "
                    f"which cannot be traced: {error}. Received: "
                    f"{type(model).__name__}. Rebuild it with keras.Model(inputs, "
                    "outputs), or fold the models inside it."
                ) from error
            traced = model  # BN inside its layers stays, unseen.
        yield traced


def save(model: Any, path: Path) -> None:
    """Save a Functional or Sequential model with its whole graph as a `.keras` file.

    A subclass of Functional would save its constructor's arguments alone, so it is
    wrapped in a plain `keras.Model` of the same inputs and outputs.

    Raises:
        TypeError: if the model is no Functional or Sequential Keras model.
        ValueError: if it is not built, or shares a layer between nested models.
    """
    _check(model)
    if type(model) not in (_functional(), keras.Sequential):
        if isinstance(model, keras.Sequential):  # It may have no `input`.
            ends = model.inputs[0], model.outputs[0]
        else:
            ends = model.input, model.output
        plain = keras.Model(*ends, name=model.name)
        if model.compiled:
            plain.compile_from_config(model.get_compile_config())
        model = plain
    model.save(path)


def load(path: Path, custom_objects: Mapping[str, Any]) -> Any:
    """Load what `save` wrote, trusting it, since it came from this process."""
    return keras.models.load_model(
        path, custom_objects=dict(custom_objects), safe_mode=False
    )


def custom_objects(model: Any) -> dict[str, Any]:
    """The classes and functions that a model uses and that are not Keras', by name.

    Those of its layers and of what they hold, such as activations, initializers and
    cells, and those that it was compiled with.
    """
    layers = model._flatten_layers()
    used = [value for layer in layers for value in (layer, *vars(layer).values())]
    compiled = getattr(getattr(model, "_compile_config", None), "config", {})
    used += keras.tree.flatten(compiled)
    found = {each if isinstance(each, FunctionType) else type(each) for each in used}
    return {
        keras.saving.get_registered_name(each): each
        for each in found
        if isinstance(each, FunctionType) or hasattr(each, "from_config")
        if each.__module__.split(".")[0] != "keras"
    }


def tells_its_graph(model: Any) -> bool:
    """Whether it is a Functional or Sequential model, not one whose code calls."""
    return isinstance(model, (_functional(), keras.Sequential))


def _has_own_call(model: Any) -> bool:
    """Whether a subclass of Functional or Sequential does more than its graph says."""
    return type(model).call not in (_functional().call, keras.Sequential.call)


def _functional() -> Any:
    """The class of functional models, which has no public name."""
    return type(keras.Model(inputs := keras.Input((1,)), inputs))


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(
            "A Keras model is needed. Received: an object of type "
            f"{type(model).__name__}. For a file use kerasbn.fold_file."
        )


def _check_built(model: Any) -> None:
    if not model.built or (tells_its_graph(model) and not model.outputs):
        raise ValueError(
            "The model has no weights yet. Received: "
            f"{type(model).__name__} {model.name!r}, not built. Give it an Input, or "
            "build or load it first."
        )


def _check(model: Any) -> None:
    _check_model(model)
    if not tells_its_graph(model) or _has_own_call(model):
        raise TypeError(
            "The layers of a subclassed model are called by its own code, which its "
            f"configuration does not tell. Received: {type(model).__name__}. Rebuild "
            "it with keras.Model(inputs, outputs), or use the models inside it."
        )
    _check_built(model)
    parents: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for layer, parent in _layers(model):
        parents[id(layer)][id(parent)] = parent.name
    for layer, _ in _layers(model):
        models = sorted(parents[id(layer)].values())
        if len(models) > 1:
            raise ValueError(
                f"The layer {layer.name!r} is shared between the models {models}; "
                "Keras saves it once and cannot load that again. Give each model a "
                "layer of its own."
            )


def _layers(model: Any, seen: set[int] | None = None) -> Iterator[tuple[Any, Any]]:
    """Every layer of a model and of those nested in it, each with its model."""
    seen = set() if seen is None else seen
    if id(model) in seen:
        return
    seen.add(id(model))
    for layer in model.layers:
        yield layer, model
        if isinstance(layer, keras.Model):
            yield from _layers(layer, seen)
