"""What a route depends on: where its operations run, and how many elements they get."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf

# TensorFlow has no public way to ask whether a function is being compiled.
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
