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
