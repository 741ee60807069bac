"""With stock's options the layer is stock: results, weights, configuration."""

import itertools

import keras
import numpy as np
import pytest

from kerasbn import BatchNormalization

from .helpers import BACKEND, call, gradients, randomize

Stock = keras.layers.BatchNormalization
TOLERANCE = {"float32": 2e-5, "mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}
if BACKEND == "tensorflow":
    # JAX has no float64 unless it is switched on, and on PyTorch stock computes in
    # float32. With a mask stock divides by the count plus 1e-7.
    TOLERANCE["float64"] = 1e-7


def pair(**options):
    return BatchNormalization(**options), Stock(**options)


def assert_alike(ours, stock, tolerance):
    for a, b in zip(ours.get_weights(), stock.get_weights(), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("policy", TOLERANCE)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("renorm", [False, True])
def test_same_results_and_weights(policy, masked, axis, renorm):
    rng = np.random.default_rng(0)
    x = rng.normal(1, 2, (6, 5, 3)).astype("float32")
    mask = rng.random((6, 5)) < 0.7 if masked else None
    options = {"axis": axis, "dtype": policy, "momentum": 0.8, "renorm": renorm}
    if renorm:
        clipping = {"rmin": 0.5, "rmax": 2.0, "dmax": 1.0}
        options |= {"renorm_clipping": clipping, "renorm_momentum": 0.7}
    both = [False, True]
    for center, scale, trainable, training in itertools.product(
        both, both, both, [None, *both]
    ):
        ours, stock = pair(center=center, scale=scale, trainable=trainable, **options)
        for layer in (ours, stock):
            layer.build(x.shape)
            randomize(layer)
        for _ in range(2):
            y, expected = (
                call(layer, x, training=training, mask=mask) for layer in (ours, stock)
            )
            assert y.dtype == expected.dtype
            np.testing.assert_allclose(
                y.astype("float64"),
                expected.astype("float64"),
                rtol=TOLERANCE[policy],
                atol=TOLERANCE[policy],
            )
        assert_alike(ours, stock, 1e-7 if policy == "float64" else 2e-5)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("renorm", [False, True])
def test_same_gradients(masked, renorm):
    rng = np.random.default_rng(0)
    x, upstream = rng.normal(1, 2, (2, 6, 5, 3)).astype("float32")
    mask = rng.random((6, 5)) < 0.7 if masked else None
    both = pair(renorm=renorm)
    for layer in both:
        layer.build(x.shape)
        randomize(layer)
    results = [gradients(layer, x, upstream, mask=mask) for layer in both]
    for ours, stock in zip(*results, strict=True):
        np.testing.assert_allclose(ours, stock, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("clipping", [None, {"rmin": 0.9, "rmax": 1.1, "dmax": 0.1}])
@pytest.mark.parametrize("axis", [-1, 1])
def test_same_renorm_of_large_batches(axis, clipping):
    """Large enough for every route of TensorFlow's kernel."""
    rng = np.random.default_rng(0)
    x, upstream = rng.normal(1, 2, (2, 33, 16, 8, 32)).astype("float32")
    both = pair(axis=axis, renorm=True, renorm_clipping=clipping)
    results = []
    for layer in both:
        layer.build(x.shape)
        randomize(layer)
        results.append([call(layer, x, training=True), *gradients(layer, x, upstream)])
    for ours, stock in zip(*results, strict=True):
        scale = np.abs(stock).max()
        np.testing.assert_allclose(ours / scale, stock / scale, rtol=1e-4, atol=1e-5)
    assert_alike(*both, 2e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_same_model_after_fit(jit_compile):
    if BACKEND == "torch" and jit_compile:
        pytest.skip("torch.compile takes minutes")
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (32, 4, 4, 3)).astype("float32")
    y = rng.normal(size=(32, 1)).astype("float32")

    def trained(layer):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((4, 4, 3)),
                layer,
                keras.layers.Flatten(),
                keras.layers.Dense(1),
            ]
        )
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=jit_compile)
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        return model

    ours, stock = (trained(layer) for layer in pair())
    assert_alike(ours, stock, 1e-4)
    np.testing.assert_allclose(
        ours.predict(x, verbose=0), stock.predict(x, verbose=0), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"axis": 1, "momentum": 0.9, "epsilon": 1e-5, "center": False},
        {"scale": False, "gamma_regularizer": "l2", "beta_constraint": "non_neg"},
        {"renorm": True, "renorm_clipping": {"rmax": 3.0}, "dtype": "mixed_bfloat16"},
        {"trainable": False, "moving_mean_initializer": "ones"},
    ],
)
def test_same_configuration(options):
    ours, stock = pair(name="bn", **options)
    assert ours.get_config() == stock.get_config()
    assert Stock.from_config(ours.get_config()).get_config() == stock.get_config()
    again = BatchNormalization.from_config(stock.get_config())
    assert again.get_config() == stock.get_config()


def test_positional_arguments_are_in_stocks_order():
    arguments = (1, 0.9, 1e-5, True, False, "ones", "zeros", "ones", "zeros", "l1")
    ours, stock = BatchNormalization(*arguments), Stock(*arguments)
    assert ours.get_config() == stock.get_config() | {"name": ours.name}


def test_same_metadata():
    ours, stock = pair()
    x = keras.Input((4, 4, 3))
    assert ours(x).shape == stock(x).shape
    assert ours.compute_output_shape((2, 4, 4, 3)) == (2, 4, 4, 3)
    assert ours.input_spec.ndim == stock.input_spec.ndim
    assert ours.count_params() == stock.count_params()
    with pytest.raises(ValueError, match="incompatible with the layer"):
        ours(keras.Input((4, 4, 5)))
    with pytest.raises(ValueError, match="expected ndim=4"):
        ours(keras.Input((4, 3)))


def test_synchronized_is_taken_on_every_backend():
    config = BatchNormalization(synchronized=True).get_config()
    assert BatchNormalization.from_config(config).synchronized
    if BACKEND == "tensorflow":
        assert Stock.from_config(config).synchronized
    with pytest.raises(ValueError, match=r"True or False\. Received: synchronized=1"):
        BatchNormalization(synchronized=1)
