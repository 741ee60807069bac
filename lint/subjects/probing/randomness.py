"""The random state of Python and of each loaded framework.

Keras' own generators are Keras variables, and JAX has no state.
"""

from __future__ import annotations

import random
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


_DRAWS = 1000  # more than one call of a model makes from a generator


class Seeds:
    """The seed generators of a model, whose states a stateless scope never changes.

    Without being set, dropout and the like would have the same noise in each call.
    PyTorch's dropout has no state in Keras, but that of PyTorch, which is set, too.

    Args:
        model: a built model, which is left undisturbed meanwhile.
    """

    def __init__(self, model: Any) -> None:
        from keras import ops

        self._states = [
            (generator.state, np.array(ops.convert_to_numpy(generator.state.value)))
            for layer in model._flatten_layers()
            for generator in getattr(layer, "_seed_generators", ())
        ]

    def set_for(self, call: int) -> None:
        """Set all states for a call; for each number, they are always the same."""
        for state, start in self._states:
            value = start.copy()
            value[-1] += call * _DRAWS
            state.assign(value)
        if "torch" in sys.modules:
            _module("torch").manual_seed(call)


@contextmanager
def preserved_randomness() -> Iterator[None]:
    """Restore the random state at the end."""
    python, numpy = random.getstate(), np.random.get_state()
    with ExitStack() as stack:
        for framework, preserved in (("tensorflow", _tensorflow), ("torch", _torch)):
            if framework in sys.modules:
                stack.enter_context(preserved())
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


@contextmanager
def _tensorflow() -> Iterator[None]:
    """Set other seeds for a while, since TensorFlow's kernels keep state of their own.

    Kernels that are used meanwhile belong to these seeds; the user's are not affected.
    """
    eager = vars(_module("tensorflow.python.eager.context").context())
    seeds = {name: eager.get(name) for name in ("_seed", "_rng")}
    generators = _module("tensorflow.python.ops.stateful_random_ops")
    generator = generators.global_generator
    state = None if generator is None else generator.state.read_value()
    eager.update(_seed=1, _rng=random.Random(1))
    try:
        yield
    finally:
        eager.update(seeds)
        generators.global_generator = generator
        if generator is not None:
            generator.state.assign(state)


@contextmanager
def _torch() -> Iterator[None]:
    with _module("torch").random.fork_rng():
        yield


def _module(name: str) -> Any:
    return sys.modules[name]
