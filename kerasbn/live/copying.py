"""Copies of live layers and models as they are, whatever they hold.

Keras' own ways, a file or a configuration, cannot hold everything: functions with
globals and closures, arguments that are not serialisable, constructors that are not
described. So a layer is copied attribute by attribute, with weights of its own. A model
that computes its graph is made again by running that graph with copied layers.
"""

from __future__ import annotations

import copy
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import keras
from keras.src.saving.keras_saveable import KerasSaveable
from keras.src.utils.tracking import DotNotTrackScope

from kerasbn.live.calls import FUNCTIONAL, calls_of, has_graph
from kerasbn.live.held import TRAINING, held, not_copied, read_by_functions

if TYPE_CHECKING:
    from kerasbn.live.calls import Calls


class Copier:
    """A copier of layers; each is copied once, so that shared ones stay shared.

    Attributes:
        shared: path or name of a layer -> the attributes that its copy shares with it,
            because they cannot be copied or are functions that read other layers.
    """

    def __init__(self) -> None:
        self.shared: dict[str, list[str]] = {}
        self._copies: dict[int, Any] = {}  # The memo of `copy.deepcopy`.
        self._alive: list[Any] = []  # An id is unique only while its object lives.

    def dtype(self, name: str) -> str:
        """Return the dtype of a copy, given that of the original."""
        return name

    def policy(self, policy: Any) -> Any:
        """Return the dtype policy of a copy, given that of the original."""
        return policy

    def constant(self, value: Any) -> Any:
        """Return the argument of a copied call, given that of the original."""
        return value

    def replace(self, original: Any, other: Any) -> None:
        """Replace an original by another object wherever it is held."""
        self._copies[id(original)] = other
        self._alive.append(original)

    def copied(self, original: Any) -> Any:
        """Return the copy of a layer, an operator or a model."""
        if id(original) in self._copies:
            return self._copies[id(original)]
        if has_graph(original):
            return self._model(original)
        return self._state(original)

    def _model(self, model: Any) -> Any:
        """Copy a model with a graph, as its own class."""
        if isinstance(model, keras.Sequential):
            start = model.inputs[0]
            new = keras.layers.Layer.__new__(self._class(model))
            keras.Sequential.__init__(
                new,
                [self.input(start), *map(self.copied, model.layers)],
                name=model.name,
            )
        else:
            inputs, outputs = self.rerun(calls_of(model))
            new = keras.layers.Layer.__new__(self._class(model))
            FUNCTIONAL.__init__(new, inputs, outputs, name=model.name)
        self.replace(model, new)
        if type(new) is type(model):
            for name, value in vars(model).items():
                if name not in vars(new) and name not in not_copied(model):
                    setattr(new, name, self._value(model, name, value))
        new._trainable = model._trainable
        return new

    def _class(self, model: Any) -> Any:
        """Return the class for the copy of a model with a graph."""
        return type(model)

    def rerun(self, calls: Calls) -> tuple[Any, Any]:
        """Run calls on new inputs with copies; return both ends."""

        def called(node: Any, tensors: list[Any], args: Any, kwargs: Any) -> Any:
            args, kwargs = keras.tree.map_structure(self.constant, (args, kwargs))
            return self.copied(node.operation)(*args, **kwargs)

        inputs = keras.tree.map_structure(self.input, calls.inputs)
        return inputs, calls.run(inputs, called)

    def input(self, tensor: Any) -> Any:
        """Make a new symbolic input like one of a model."""
        layer = tensor._keras_history.operation
        new = keras.Input(
            batch_shape=tensor.shape,
            dtype=self.dtype(tensor.dtype),
            sparse=getattr(layer, "sparse", None),
            ragged=getattr(layer, "ragged", None),
            name=layer.name,
            optional=getattr(layer, "optional", False),
        )
        new._keras_history.operation._trainable = layer._trainable
        return new

    def _state(self, original: Any) -> Any:
        """Copy an object attribute by attribute."""
        new = (
            keras.layers.Layer.__new__(type(original))
            if _is_layer(original)
            else object.__new__(type(original))
        )
        self.replace(original, new)
        for name in not_copied(original) & vars(original).keys():
            self.replace(vars(original)[name], vars(original)[name])
        for held_value in held(original):
            if isinstance(
                held_value, KerasSaveable
            ):  # Its `deepcopy` goes through a file.
                self.copied(held_value)
            elif isinstance(held_value, keras.Variable):
                self._variable(held_value)
            elif isinstance(held_value, keras.DTypePolicy):
                self.replace(held_value, self.policy(held_value))
            else:
                self.replace(held_value, held_value)
        left = not_copied(original)
        for name, value in vars(original).items():
            if name not in left:
                vars(new)[name] = self._value(original, name, value)
                if name in ("dtype", "_dtype") and isinstance(value, str):
                    vars(new)[name] = self.dtype(value)
        if isinstance(original, keras.Operation):
            vars(new).update(_inbound_nodes=[], _outbound_nodes=[])
        if _is_layer(original):
            vars(new).update(_losses=[], _loss_ids=set())
        if (tracker := vars(new).get("_tracker")) is not None:
            _renew_tracker(tracker)
        if isinstance(original, keras.Model):
            _start_untrained(new)
        return new

    def _value(self, holder: Any, name: str, value: Any) -> Any:
        if read_by_functions(value):
            self.shared.setdefault(holder.name, []).append(name)
        try:
            with DotNotTrackScope():
                return copy.deepcopy(value, self._copies)
        except Exception:  # It may be anything: a lock, a table, a generator.
            if type(value).__module__.split(".")[0] != "keras":
                self.shared.setdefault(holder.name, []).append(name)
            return value

    def _variable(self, variable: Any) -> None:
        if id(variable) in self._copies:
            return
        new = object.__new__(type(variable))
        state = {k: v for k, v in vars(variable).items() if not k.endswith("_value")}
        vars(new).update(state)
        new._dtype = self.dtype(variable.dtype)
        new._initialize(keras.ops.copy(keras.ops.cast(variable.value, new._dtype)))
        self.replace(variable, new)
        self.replace(variable.value, new.value)


def constructor_arguments(layer: Any) -> dict[str, Any]:
    """Return the arguments that make a Keras or kerasbn layer like a live one.

    Functions and the like are the live ones: nothing is serialised.
    """
    with warnings.catch_warnings():  # Nothing is stored: no need to warn.
        warnings.simplefilter("ignore")
        arguments = dict(layer.get_config())
    for key, value in arguments.items():
        if isinstance(value, dict) and key != "dtype" and hasattr(layer, key):
            arguments[key] = getattr(layer, key)
    return arguments


def build_like(new: Any, layer: Any) -> None:
    """Build a BN layer for the inputs of another, with variables of the same paths."""
    shape = (layer.get_build_config() or {}).get("input_shape")
    if shape is None:  # It was built by the user's own code.
        sizes = layer.input_spec.axes
        shape = [sizes.get(axis) for axis in range(layer.input_spec.ndim)]
    with ExitStack() as scopes:
        for name in str(layer.path).split("/")[:-1]:
            scopes.enter_context(keras.name_scope(name))
        new.build(tuple(shape))


def _is_layer(value: Any) -> bool:
    return isinstance(value, keras.Layer)


def _renew_tracker(tracker: Any) -> None:
    """Update a tracker, which identifies its objects by id."""
    tracker.stored_ids = {
        name: {id(item) for item in store}
        for name, (_, store) in tracker.config.items()
    }


def _start_untrained(model: Any) -> None:
    """Give a model the attributes of one that was not compiled."""
    for name, value in vars(keras.Model()).items():
        if name in TRAINING:
            vars(model).setdefault(name, value)
    # TensorFlow's checkpoints identify an object's children by name.
    known = vars(model).get("_self_unconditional_checkpoint_dependencies", [])
    known[:] = [variable for variable in known if variable.name not in TRAINING]
    names = vars(model).get("_self_unconditional_dependency_names", {})
    for name in TRAINING & names.keys():
        del names[name]
