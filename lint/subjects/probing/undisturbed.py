"""Protection of a model from lasting changes, whatever its code does.

A copy of a model would need its classes to be serializable, and would run their
constructors. Instead its own code runs in a `keras.StatelessScope`, which keeps
assignments from all Keras variables, and everything else that a `call` can change is
restored.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .randomness import preserved_randomness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Restore, at the end, everything that was changed within this context.

    This covers all variables and tensors of the model, including those of the backend;
    the attributes of its layers, and the lists, dicts, sets and arrays in them; all
    random state; and Keras' own counters and caches. Objects that are neither layers
    nor modules are not inspected.
    """
    from keras.src.backend.common import global_state

    memory = _Memory()
    memory.keep(vars(global_state.GLOBAL_STATE_TRACKER))
    memory.keep(model)
    memory.keep(model.variables)  # with the states of seed generators
    with preserved_randomness():
        try:
            yield
        finally:
            memory.restore()


class _Memory:
    """The current contents of containers, arrays and variables."""

    def __init__(self) -> None:
        self._kept: dict[int, Any] = {}  # and kept alive, so that no id is reused
        self._restore: list[Callable[[], None]] = []
        self._open = _with_attributes()

    def keep(self, value: Any) -> None:
        """Remember a value and everything in it that can change."""
        if id(value) in self._kept:
            return
        self._kept[id(value)] = value
        if isinstance(value, self._open):
            self.keep(vars(value))
        elif issubclass(type(value), dict | list | set):
            self._keep_container(value)
        elif isinstance(value, np.ndarray):
            self._restore.append(_array_restorer(value))
        elif _is_a(value, "tensorflow", "Variable"):
            self._restore.append(_tensorflow_restorer(value))
        elif _is_a(value, "torch", "Tensor"):
            self._restore.append(_torch_restorer(value))

    def _keep_container(self, value: Any) -> None:
        before = list(value.items() if isinstance(value, dict) else value)
        self._restore.append(lambda: _restore_container(value, before))
        for item in list(value.values() if isinstance(value, dict) else value):
            self.keep(item)

    def restore(self) -> None:
        """Restore everything to its remembered state."""
        for restore in self._restore:
            restore()


def _with_attributes() -> tuple[type, ...]:
    """Return the classes whose attributes hold a model's state."""
    import keras
    from keras.src.utils.tracking import Tracker

    modules = [
        sys.modules[name].nn.Module if name == "torch" else sys.modules[name].Module
        for name in ("tensorflow", "torch")
        if name in sys.modules
    ]
    kinds = (keras.Layer, keras.Variable, keras.Metric, keras.Loss, Tracker)
    return (*kinds, *modules)


def _is_a(value: Any, framework: str, name: str) -> bool:
    """Whether a value is of a framework's class; false if that is not loaded."""
    module = sys.modules.get(framework)
    return module is not None and isinstance(value, getattr(module, name))


def _restore_container(value: Any, before: list[Any]) -> None:
    """Restore a container, bypassing Keras' and TensorFlow's change tracking."""
    is_dict = isinstance(value, dict)
    now = list(value.items() if is_dict else value)
    if _same(now, before, pairs=is_dict):
        return
    if is_dict:
        plain = OrderedDict if isinstance(value, OrderedDict) else dict
        plain.clear(value)
        plain.update(value, before)
    elif isinstance(value, list):
        list.__setitem__(value, slice(None), before)
    else:
        set.clear(value)
        set.update(value, before)


def _same(now: list[Any], before: list[Any], pairs: bool) -> bool:
    """Whether two lists hold the same objects; for pairs, equal keys and the same."""
    if len(now) != len(before):
        return False
    if pairs:
        both = zip(now, before, strict=True)
        return all(a[0] == b[0] and a[1] is b[1] for a, b in both)
    return all(a is b for a, b in zip(now, before, strict=True))


def _array_restorer(array: Any) -> Callable[[], None]:
    before = array.copy()

    def restore() -> None:
        if array.flags.writeable:
            array[...] = before

    return restore


def _tensorflow_restorer(variable: Any) -> Callable[[], None]:
    before = variable.read_value()  # shares memory until either changes
    return lambda: variable.assign(before)


def _torch_restorer(tensor: Any) -> Callable[[], None]:
    if tensor.is_inference():
        return lambda: None
    before, version = tensor.detach().clone(), tensor._version

    def restore() -> None:
        if tensor._version != version:
            tensor.data.copy_(before)

    return restore
