"""Copies of live layers and models as they are, whatever they hold.

Keras' own ways, a file or a configuration, lose what these cannot hold: functions with
globals and closures, arguments that do not serialise, constructors that are not
described. So a layer is copied attribute by attribute, with weights of its own. A model
that tells its graph is made anew by running that graph with copied layers.
"""

from __future__ import annotations

import copy
import warnings
from contextlib import ExitStack
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import keras
from keras.src.saving.keras_saveable import KerasSaveable
from keras.src.utils.tracking import DotNotTrackScope

from kerasbn.live.calls import FUNCTIONAL, calls_of, has_graph, tells_its_graph
from kerasbn.live.layers import batch_norms_inside, layers_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kerasbn.live.calls import Calls

# What belongs to the graph, to a training or to one object, and is made anew.
_NOT_COPIED = frozenset(
    ("build", "quantize", "_inbound_nodes", "_outbound_nodes", "_losses", "_loss_ids")
)
_TRAINING = frozenset(
    (
        *("optimizer", "loss", "compiled", "_compile_config", "_compile_loss"),
        *("_compile_metrics", "_loss_tracker", "_distribute_strategy"),
        *("train_function", "test_function", "predict_function"),
        *("_compiled_trainable_state", "_compute_loss_has_training_arg"),
    )
)
# Keras' own objects hold layers, but not its functions.
_PACKAGES = ("numpy", "tensorflow", "jax", "jaxlib", "torch", "builtins")
_ATOMIC = (str, bytes, int, float, complex, bool, type(None), type)


class Copier:
    """Copies layers, each once: what is shared between them is shared again.

    Attributes:
        shared: path or name of a layer -> the attributes that its copy shares with it,
            because they cannot be copied or are functions that read other layers.
    """

    def __init__(self) -> None:
        self.shared: dict[str, list[str]] = {}
        self._copies: dict[int, Any] = {}  # What `copy.deepcopy` calls its memo.
        self._alive: list[Any] = []  # An id is one only while its object lives.

    def dtype(self, name: str) -> str:
        """The dtype of a copy, for that of the original."""
        return name

    def policy(self, policy: Any) -> Any:
        """The dtype policy of a copy, for that of the original."""
        return policy

    def replace(self, original: Any, other: Any) -> None:
        """Let another object take the place of an original wherever it is held."""
        self._copies[id(original)] = other
        self._alive.append(original)

    def copied(self, original: Any) -> Any:
        """The copy of a layer, an operator or a model."""
        if id(original) in self._copies:
            return self._copies[id(original)]
        if has_graph(original):
            return self._model(original)
        return self._state(original)

    def _model(self, model: Any) -> Any:
        """A model with a graph, of its own class."""
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
                if name not in vars(new) and name not in _NOT_COPIED | _TRAINING:
                    setattr(new, name, self._value(model, name, value))
        new._trainable = model._trainable
        return new

    def _class(self, model: Any) -> Any:
        """The class of the copy of a model with a graph."""
        return type(model)

    def rerun(self, calls: Calls) -> tuple[Any, Any]:
        """Run calls on new inputs with copies; returns both ends."""

        def called(node: Any, tensors: list[Any], args: Any, kwargs: Any) -> Any:
            return self.copied(node.operation)(*args, **kwargs)

        inputs = keras.tree.map_structure(self.input, calls.inputs)
        return inputs, calls.run(inputs, called)

    def input(self, tensor: Any) -> Any:
        """A new symbolic input like a model's own."""
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
        """A copy attribute by attribute."""
        new = (
            keras.layers.Layer.__new__(type(original))
            if _is_layer(original)
            else (object.__new__(type(original)))
        )
        self.replace(original, new)
        for name in _TRAINING & vars(original).keys():
            self.replace(vars(original)[name], vars(original)[name])
        for held in _held(original):
            if isinstance(held, KerasSaveable):  # Copies of its own go by a file.
                self.copied(held)
            elif isinstance(held, keras.Variable):
                self._variable(held)
            elif isinstance(held, keras.DTypePolicy):
                self.replace(held, self.policy(held))
            else:
                self.replace(held, held)
        left = _left(original)
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
        if _read_in(value):
            self.shared.setdefault(holder.name, []).append(name)
        try:
            with DotNotTrackScope():
                return copy.deepcopy(value, self._copies)
        except Exception:  # It may hold anything: a lock, a table, a generator.
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
    """The arguments that make a layer of Keras' own or kerasbn's like a live one.

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
    told = (layer.get_build_config() or {}).get("input_shape")
    if told is None:  # It was built by code of the user's own.
        sizes = layer.input_spec.axes
        told = [sizes.get(axis) for axis in range(layer.input_spec.ndim)]
    with ExitStack() as scopes:
        for name in str(layer.path).split("/")[:-1]:
            scopes.enter_context(keras.name_scope(name))
        new.build(tuple(told))


def _is_layer(value: Any) -> bool:
    return isinstance(value, keras.Layer)


def _left(original: Any) -> frozenset[str]:
    """The attributes that are not copied."""
    return _NOT_COPIED | (_TRAINING if isinstance(original, keras.Model) else set())


def _held(original: Any) -> Iterator[Any]:
    """What in an object's attributes is not to be copied as any other object.

    What a layer that is found holds is its own.
    """
    ours = (
        *(KerasSaveable, keras.Variable, keras.KerasTensor, keras.DTypePolicy),
        ModuleType,
    )
    pending = [v for k, v in vars(original).items() if k not in _left(original)]
    seen = {id(original)}
    while pending:
        value = pending.pop()
        if isinstance(value, _ATOMIC) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, ours):
            yield value
        else:
            pending += _parts(value)


def _parts(value: Any) -> list[Any]:
    """What an object holds that is copied with it."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return [*value, *getattr(value, "__dict__", {}).values()]
    if isinstance(value, MethodType):
        return [value.__self__]
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, FunctionType) or _is_foreign(value):
        return []
    return list(getattr(value, "__dict__", {}).values())


def _is_foreign(value: Any) -> bool:
    """Whether an object is of a package that has no use for Keras' layers."""
    return type(value).__module__.split(".")[0] in _PACKAGES


def layers_read_by_functions(holder: Any) -> list[Any]:
    """The layers that functions in a layer's attributes read; Keras sees them not."""
    values = [v for k, v in vars(holder).items() if k not in _NOT_COPIED]
    found = [each for value in values for each in _read_in(value)]
    return [each for each in found if _is_layer(each) and each is not holder]


def batch_norms_in_functions(model: Any) -> list[str]:
    """The BN that only functions in a model's layers call: `lambda/bn`."""
    seen = {id(layer) for layer, _ in layers_inside(model)}
    return [
        f"{path}/{name}"
        for holder, path in layers_inside(model)
        for read in layers_read_by_functions(holder)
        for layer, name in batch_norms_inside(read, include_self=True)
        if id(layer) not in seen
    ]


def _read_in(value: Any) -> list[Any]:
    """The layers and variables that functions in an object read."""
    found, pending, seen = [], [value], set()
    while pending:
        each = pending.pop()
        if isinstance(each, (*_ATOMIC, ModuleType)) or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, FunctionType):
            read = [] if _is_of_keras(each) else list(read_by(each))
            found += [v for v in read if isinstance(v, keras.Layer | keras.Variable)]
            pending += [v for v in read if isinstance(v, FunctionType | partial)]
        elif not isinstance(each, KerasSaveable | keras.Variable | keras.KerasTensor):
            pending += _parts(each)
    return found


def _is_of_keras(function: FunctionType) -> bool:
    return str(function.__module__).split(".")[0] in ("keras", *_PACKAGES)


def read_by(function: FunctionType) -> Iterator[Any]:
    """What a function reads from its closure, its defaults and its globals."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # Not assigned yet.
            continue
    yield from function.__defaults__ or ()
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield function.__globals__[name]


def _renew_tracker(tracker: Any) -> None:
    """A tracker knows by id what it holds."""
    tracker.stored_ids = {
        name: {id(each) for each in held} for name, (_, held) in tracker.config.items()
    }


def _start_untrained(model: Any) -> None:
    """Give a model the attributes of one that was not compiled."""
    for name, value in vars(keras.Model()).items():
        if name in _TRAINING:
            vars(model).setdefault(name, value)
    # TensorFlow's checkpoints know by name what belongs to an object.
    known = vars(model).get("_self_unconditional_checkpoint_dependencies", [])
    known[:] = [each for each in known if each.name not in _TRAINING]
    names = vars(model).get("_self_unconditional_dependency_names", {})
    for name in _TRAINING & names.keys():
        del names[name]


class PlainCopier(Copier):
    """Copies a model, whose nested models come back as plain Keras models.

    Those of a class of their own would save their constructors' arguments alone.

    Args:
        model: the model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._plain: set[int] = set()
        pending = [model]
        while pending:
            each = pending.pop()
            if isinstance(each, keras.Model) and tells_its_graph(each):
                self._plain.add(id(each))
                pending += calls_of(each).operations

    def _class(self, model: Any) -> Any:
        if id(model) not in self._plain:
            return type(model)
        return keras.Sequential if isinstance(model, keras.Sequential) else FUNCTIONAL
