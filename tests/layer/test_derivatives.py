"""Derivatives of every kind are those of the closed form, by differences in float64.

The function is a sum over outputs and over the new statistics. Its derivatives along
a direction v, the first and the second, are found in each way that a backend has.
"""

import numpy as np
import pytest
from keras import ops

from kerasbn import BatchNormalization

from .helpers import BACKEND, array

rng = np.random.default_rng(0)
EPSILON = 1e-3
# For TensorFlow: fused of many rows, fused of few, small, and plain operations.
CASES = [
    ((17, 24, 24, 8), -1, {}),
    ((5, 8, 8, 300), -1, {}),
    ((9, 4, 3), -1, {}),
    ((17, 8, 16, 40), 1, {}),
    ((17, 24, 24, 8), -1, {"mask": True}),
    ((17, 24, 24, 8), -1, {"renorm": True}),
]


class Closed:
    """The function in float64, and how to take it from a layer."""

    def __init__(self, shape, axis, renorm, mask):
        self.kept, self.renorm = [axis % len(shape)], renorm
        self.reduced = tuple(a for a in range(len(shape)) if a not in self.kept)
        self.mask = rng.random(shape[:-1]) < 0.7 if mask else None
        counted = np.ones(shape) if self.mask is None else self.mask[..., None]
        self.counted = np.broadcast_to(counted, shape).astype("float64")
        self.of_y = rng.normal(size=shape)
        kept = [shape[a] for a in self.kept]
        self.of_mean, self.of_variance = rng.normal(size=(2, *kept))
        # That of the first call, as it is constant to gradients: r is the stddev and
        # d the mean, as long as the running ones are 1 and 0.
        self.correction = None

    def __call__(self, x):
        n = self.counted.sum(self.reduced, keepdims=True)
        mean = (x * self.counted).sum(self.reduced, keepdims=True) / n
        squares = np.square(x - mean) * self.counted
        variance = squares.sum(self.reduced, keepdims=True) / n
        y = (x - mean) / np.sqrt(variance + EPSILON)
        if self.renorm:
            if self.correction is None:
                self.correction = np.sqrt(variance + EPSILON), mean
            y = y * self.correction[0] + self.correction[1]
        value = (np.tanh(y) * self.of_y).sum()
        if not self.renorm:
            value += (mean.ravel() * self.of_mean).sum() / 2
            value += (variance.ravel() * self.of_variance).sum() / 2
        return value

    def of_layer(self, layer):
        weights = [v.value for v in layer.trainable_variables]
        states = [v.value for v in layer.non_trainable_variables]
        given = {} if self.mask is None else {"mask": ops.convert_to_tensor(self.mask)}
        of_y, of_mean, of_variance = (
            ops.convert_to_tensor(t.astype("float32"))
            for t in (self.of_y, self.of_mean, self.of_variance)
        )

        def function(x):
            y, new = layer.stateless_call(weights, states, x, training=True, **given)
            value = ops.sum(ops.tanh(y) * of_y)
            if self.renorm:
                return value
            return value + ops.sum(new[0] * of_mean) + ops.sum(new[1] * of_variance)

        return function


# PyTorch compiles its forward derivatives so.
@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
# Here `vmap` reads a constant that Keras makes of a number.
@pytest.mark.filterwarnings("ignore:Converting a tensor:UserWarning")
@pytest.mark.parametrize(("shape", "axis", "options"), CASES, ids=str)
def test_along_a_direction(shape, axis, options):
    closed = Closed(shape, axis, options.get("renorm"), options.get("mask"))
    x, v = rng.normal(1.5, 2, shape), rng.normal(size=shape)
    middle, h = closed(x), 1e-3
    first = (closed(x + h * v) - closed(x - h * v)) / (2 * h)
    second = (closed(x + h * v) - 2 * middle + closed(x - h * v)) / h**2
    layer = BatchNormalization(axis, momentum=0.5, renorm=closed.renorm or False)
    layer.build(shape)
    ways = _WAYS[BACKEND](
        closed.of_layer(layer), *(t.astype("float32") for t in (x, v))
    )
    for name, order, way in ways:
        expected = second if order == 2 else first
        np.testing.assert_allclose(
            array(way()), expected, rtol=3e-3, atol=3e-3, err_msg=name
        )


def _tensorflow(function, x, v):
    import tensorflow as tf

    x, v = tf.constant(x), tf.constant(v)

    def gradient(x, function=function):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return tape.gradient(value, x)

    def reverse(x):
        return tf.reduce_sum(gradient(x) * v)

    def forward(x, function=function):
        with tf.autodiff.ForwardAccumulator(x, v) as accumulator:
            value = function(x)
        return accumulator.jvp(value)

    def reverse_twice(x):
        return tf.reduce_sum(gradient(x, reverse) * v)

    def forward_over_reverse(x):
        return tf.reduce_sum(forward(x, gradient) * v)

    for order, way in (
        (1, reverse),
        (1, forward),
        (2, reverse_twice),
        (2, forward_over_reverse),
    ):
        yield way.__name__, order, lambda way=way: way(x)
        in_graph = tf.function(way, autograph=False)
        yield f"{way.__name__} in a graph", order, lambda way=in_graph: way(x)
    graph = tf.function(gradient, autograph=False)
    yield "forward around a graph", 2, lambda: tf.reduce_sum(forward(x, graph) * v)


def _jax(function, x, v):
    import jax

    def reverse(x):
        return (jax.grad(function)(x) * v).sum()

    def forward(x):
        return jax.jvp(function, (x,), (v,))[1]

    def reverse_twice(x):
        return (jax.grad(reverse)(x) * v).sum()

    def forward_over_reverse(x):
        return jax.jvp(reverse, (x,), (v,))[1]

    for order, way in (
        (1, reverse),
        (1, forward),
        (2, reverse_twice),
        (2, forward_over_reverse),
    ):
        yield way.__name__, order, lambda way=way: jax.jit(way)(x)


def _torch(function, x, v):
    import torch

    x, v = torch.tensor(x), torch.tensor(v)

    def reverse(x):
        x = x.requires_grad_() if x.is_leaf else x
        return (torch.autograd.grad(function(x), x, create_graph=True)[0] * v).sum()

    def reverse_twice():
        leaf = x.clone().requires_grad_()
        return (torch.autograd.grad(reverse(leaf), leaf)[0] * v).sum()

    def dual():
        with torch.autograd.forward_ad.dual_level():
            value = function(torch.autograd.forward_ad.make_dual(x, v))
            return torch.autograd.forward_ad.unpack_dual(value).tangent

    def transformed(x):
        return (torch.func.grad(function)(x) * v).sum()

    yield "reverse", 1, lambda: reverse(x.clone()).detach()
    yield "reverse twice", 2, reverse_twice
    yield "forward", 1, dual
    yield "torch.func", 1, lambda: transformed(x)
    yield "torch.func, forward", 1, lambda: torch.func.jvp(function, (x,), (v,))[1]
    yield (
        "torch.func, forward over reverse",
        2,
        lambda: torch.func.jvp(transformed, (x,), (v,))[1],
    )
    yield (
        "torch.func, vmap",
        1,
        lambda: torch.func.vmap(transformed)(torch.stack([x, x]))[1],
    )


_WAYS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
