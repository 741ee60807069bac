"""What only PyTorch has: memory formats, storage kept for gradients, `torch.func`."""

import keras
import numpy as np
import pytest

from kerasbn import BatchNormalization

from .helpers import BACKEND, array

if BACKEND != "torch":
    pytest.skip("memory and transformations of PyTorch", allow_module_level=True)

import torch

generator = torch.Generator().manual_seed(0)


def random(*shape):
    return torch.randn(*shape, generator=generator)


@pytest.mark.parametrize("options", [{}, {"zero_debias": True}, {"momentum": None}])
@pytest.mark.parametrize("shape", [(32, 8), (8, 5, 5, 8)], ids=str)
def test_statistics_may_move_before_the_backward_pass(shape, options):
    layer = BatchNormalization(**options)
    x = random(*shape)
    layer(x, training=True)
    expected, found = x.clone().requires_grad_(), x.clone().requires_grad_()
    layer(expected, training=False).square().sum().backward()
    loss = layer(found, training=False).square().sum()
    layer(3 * x + 1, training=True)
    layer.moving_mean.assign(np.zeros(8))
    loss.backward()
    torch.testing.assert_close(found.grad, expected.grad)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis"), [((32, 6), -1), ((8, 6, 5, 5), 1), ((600, 6), -1)], ids=str
)
def test_vmap_over_layers(shape, axis, training):
    layer = BatchNormalization(axis)
    layer.build(shape)

    def member(weights, states, x):
        return layer.stateless_call(weights, states, x, training=training)

    weights, states = (
        [torch.stack([v.value.detach(), v.value.detach() + 1]) for v in variables]
        for variables in (layer.trainable_variables, layer.non_trainable_variables)
    )
    x = random(2, *shape)
    y, new = torch.func.vmap(member)(weights, states, x)
    for i in range(2):
        alone, moved = member([w[i] for w in weights], [s[i] for s in states], x[i])
        torch.testing.assert_close(y[i], alone, rtol=1e-4, atol=1e-5)
        for one, other in zip(new, moved, strict=True):
            torch.testing.assert_close(one[i], other, rtol=1e-4, atol=1e-5)


def test_vmap_over_gamma_alone_without_gradients():
    layer = BatchNormalization()
    layer.build((32, 6))
    x, gammas = random(32, 6), random(2, 6)
    _, beta, *states = (v.value.detach() for v in layer.variables)

    def member(gamma):
        return layer.stateless_call([gamma, beta], states, x)[0]

    with torch.no_grad():
        y = torch.func.vmap(member)(gammas)
    expected = x * gammas[:, None] / 1.001**0.5
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("options", [{}, {"center": False, "scale": False}])
@pytest.mark.parametrize("axis", [-1, 1, [1, 3], [1, 2]], ids=str)
def test_inference_is_the_same_with_and_without_gradients(axis, options, dtype):
    """Without them small tensors take plain operations."""
    layer = BatchNormalization(axis, dtype=dtype, **options)
    x = random(4, 5, 6, 8)
    layer(x, training=True)
    y = layer(x)
    with torch.no_grad():
        plain = layer(x)
    assert plain.dtype == y.dtype
    torch.testing.assert_close(plain, y.detach())


@pytest.mark.parametrize("training", [False, True])
def test_the_memory_format_stays(training):
    x = random(4, 8, 6, 6).to(memory_format=torch.channels_last).requires_grad_()
    layer, plain = BatchNormalization(1), BatchNormalization(1)
    y = layer(x, training=training)
    assert y.is_contiguous(memory_format=torch.channels_last)
    expected = plain(x.detach().contiguous(), training=training)
    torch.testing.assert_close(y.contiguous(), expected, rtol=1e-5, atol=1e-5)
    assert plain(x.detach().contiguous(), training=training).is_contiguous()


@pytest.mark.parametrize(
    "options", [{}, {"zero_debias": True}, {"renorm": True, "renorm_momentum": 0.5}]
)
@pytest.mark.parametrize("groups", [{}, {"virtual_batch_size": 6}])
def test_rematerialization_changes_nothing(options, groups):
    """Neither are statistics moved twice, nor do gradients see the moved ones."""
    x = np.random.default_rng(0).normal(3, 2, (16, 4)).astype("float32")

    def fitted():
        keras.utils.set_random_seed(0)
        layer = BatchNormalization(momentum=0.5, **options, **groups)
        shared = [layer, keras.layers.Dense(4), layer, keras.layers.Dense(1)]
        x_in = y = keras.Input((4,))
        for item in shared:
            y = item(y)
        model = keras.Model(x_in, y)
        model.compile("sgd", "mse")
        model.fit(x, x[:, :1], batch_size=16, epochs=2, verbose=0)
        return model.get_weights()

    expected = fitted()
    with keras.RematScope(mode="full"):
        found = fitted()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_mask_keeps_the_digits_of_float64():
    rng = np.random.default_rng(0)
    x, mask = rng.normal(3, 1, (64, 16, 4)), rng.random((64, 16)) < 0.5
    layer = BatchNormalization(dtype="float64", momentum=0.0)
    y = array(layer(torch.tensor(x), training=True, mask=torch.tensor(mask)))
    rows = x[mask]
    expected = (x - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-3)
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_new_statistics_have_gradients_through_a_checkpoint():
    """The pass for gradients alone finds them too, where they are results."""
    layer = BatchNormalization(momentum=0.5)
    layer.build((32, 6))
    weights, states = (
        [v.value for v in group]
        for group in (layer.trainable_variables, layer.non_trainable_variables)
    )

    def variance(x):
        return layer.stateless_call(weights, states, x, training=True)[1][1].sum()

    x = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    checkpoint = torch.utils.checkpoint.checkpoint
    (found,) = torch.autograd.grad(checkpoint(variance, x, use_reentrant=False), x)
    torch.testing.assert_close(found, (x - x.mean(0)).detach() / 32)


def test_renorm_keeps_the_digits_of_float64():
    layer = BatchNormalization(renorm=True, dtype="float64")
    layer.build((64, 4))
    mean, stddev = np.float64([[0.1, 0.3, -0.7, 2.3], [1.1, 1.3, 0.7, 2.3]])
    layer.renorm_mean.assign(mean)
    layer.renorm_stddev.assign(stddev)
    x = np.random.default_rng(0).normal(3, 2, (64, 4))
    y = layer(torch.tensor(x), training=True)
    np.testing.assert_allclose(array(y.detach()), (x - mean) / stddev, atol=1e-12)
