"""Conditions for a route: where its operations run, and on how many elements."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf

# TensorFlow has no public way to ask for any of these.
from tensorflow.python.eager.forwardprop_util import pack_tangents
from tensorflow.python.eager.record import could_possibly_record
from tensorflow.python.framework.config import is_op_determinism_enabled
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from kerasbn.kernels import generic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kerasbn.kernels.layout import Size

Tensor = Any

SMALL = 2**16  # Elements. The fused operation takes 100 microseconds to start.
USUAL_SIZE = 16  # Of an axis whose size is not known, mostly that of the batch.


def inside_xla() -> bool:
    """Whether XLA will compile what is built now."""
    if tf.executing_eagerly():
        return False
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def is_forward(*tensors: Tensor | None) -> bool:
    """Whether a `tf.autodiff.ForwardAccumulator` has a tangent for any of them.

    It takes other ways through functions with a gradient of their own, some wrong.
    """
    # A layer may also be given a tf.Variable.
    given = [tf.convert_to_tensor(t) for t in tensors if t is not None]
    return bool(pack_tangents(given).tangents)


def is_vectorized() -> bool:
    """Whether `tf.vectorized_map` will run what is built now for many at once.

    It knows the fused operation for one gamma and one mean, not for many.
    """
    return "loop_body" in tf.get_current_name_scope().split("/")


def is_recorded() -> bool:
    """Whether a gradient tape may be watching."""
    return could_possibly_record()


def is_deterministic() -> bool:
    """Whether `tf.config.experimental.enable_op_determinism` was called."""
    return is_op_determinism_enabled()


@functools.cache
def has_accelerator() -> bool:
    """Whether operations may run elsewhere than on the CPU."""
    devices = tf.config.list_logical_devices()
    return any(device.device_type != "CPU" for device in devices)


def is_small(x: Tensor) -> bool:
    """Whether starting operations takes longer than their work."""
    return usual_count(x.shape) < SMALL


def usual_count(sizes: Sequence[int | None]) -> int:
    """Their product, with a guess for those that are not known."""
    return math.prod(USUAL_SIZE if n is None else n for n in sizes)


def count(sizes: Sequence[Size], dtype: str) -> Tensor | float:
    """Their product, at least 1: a number where it is known."""
    product = math.prod(sizes)
    if isinstance(product, int):
        return float(max(product, 1))
    return tf.cast(tf.maximum(product, 1), dtype)


def spread(t: Tensor, x: Tensor, kept: tuple[int, ...]) -> Tensor:
    """`generic.spread`, but for free where `t` broadcasts already."""
    return t if kept == (len(x.shape) - 1,) else generic.spread(t, x, kept)
