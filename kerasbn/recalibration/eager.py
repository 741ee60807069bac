"""Running a model operation by operation, even if parts were compiled."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def eagerly() -> Iterator[None]:
    """Within this context compiled functions run as plain Python.

    A function compiled earlier (`tf.function`, `jax.jit`) would run unchanged, and not
    call the replacement of a layer's `call`. Meanwhile PyTorch records no gradients,
    which would keep all activations in memory.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        with _tensorflow():
            yield
    elif backend == "jax":
        import jax

        with jax.disable_jit():
            yield
    elif backend == "torch":
        import torch

        with torch.no_grad():
            yield
    else:
        yield


@contextmanager
def _tensorflow() -> Iterator[None]:
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
