"""Models whose right statistics are known, and the statistics they have."""

import keras
import numpy as np
from keras import ops

import kerasbn

BACKEND = keras.backend.backend()
LAYERS = [keras.layers.BatchNormalization, kerasbn.BatchNormalization]


def samples(shape=(90, 4), seed=0, mean=3.0, std=2.0):
    """Samples whose mean drifts, so that batches differ in theirs."""
    x = np.random.default_rng(seed).normal(mean, std, shape)
    drift = np.linspace(-4, 4, shape[0]).reshape(-1, *(1,) * (len(shape) - 1))
    return (x + drift).astype("float32")


def single(layer, shape=(4,)):
    return keras.Sequential([keras.Input(shape), layer])


def array(variable):
    return np.asarray(ops.convert_to_numpy(ops.convert_to_tensor(variable)))


def check(layer, x, axis=0, rtol=1e-5):
    """The layer's statistics are the float64 ones of `x` over `axis`."""
    x = np.asarray(x, "float64")
    np.testing.assert_allclose(array(layer.moving_mean), x.mean(axis), rtol=rtol)
    np.testing.assert_allclose(array(layer.moving_variance), x.var(axis), rtol=rtol)


def state(model):
    return [array(variable) for variable in model.variables]
