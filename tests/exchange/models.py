"""Models with batch normalization in many places, trained a little."""

import keras
import numpy as np
from keras import layers, ops

BACKEND = keras.backend.backend()


@keras.saving.register_keras_serializable(package="tests")
class Opaque(layers.Layer):
    """A custom layer, which is not to be touched."""

    def __init__(self, norm=None, **kwargs):
        super().__init__(**kwargs)
        self.norm = layers.BatchNormalization() if norm is None else norm

    def build(self, shape):
        if not self.norm.built:  # It comes built from a file.
            self.norm.build(shape)

    def call(self, x):
        return self.norm(x)

    @classmethod
    def from_config(cls, config):
        config["norm"] = keras.saving.deserialize_keras_object(config["norm"])
        return cls(**config)

    def get_config(self):
        norm = keras.saving.serialize_keras_object(self.norm)
        return super().get_config() | {"norm": norm}


def array(variable):
    return np.asarray(ops.convert_to_numpy(ops.convert_to_tensor(variable)))


def data(shape=(16, 6, 4), seed=0):
    return np.random.default_rng(seed).normal(3, 2, shape).astype("float32")


def model_of(norm):
    """Functional, with a model used twice, a wrapper, dropout and a custom layer."""
    bn, dropout = norm(name="bn"), layers.Dropout(0.5, seed=1)
    inner = keras.Sequential([keras.Input((6, 4)), bn, dropout])
    x = keras.Input((6, 4), name="in")
    shared = norm(name="shared", scale=False)
    y = inner(shared(x)) + inner(x)
    y = layers.TimeDistributed(norm(name="timed", epsilon=0.01), name="time")(shared(y))
    y = Opaque(name="opaque")(y)
    y = norm(axis=1, momentum=0.9, name="steps")(y)
    model = keras.Model({"in": x}, {"out": layers.Dense(2, name="out")(y)}, name="net")
    # Not Adam, which makes steps of the rounding where a gradient is 0.
    sgd = keras.optimizers.SGD(0.001, momentum=0.9)
    model.compile(sgd, {"out": "mse"}, metrics={"out": ["mae"]})
    return model


def fit(model, epochs=1):
    x = {"in": data()}
    model.fit(x, {"out": data((16, 6, 2), 1)}, 8, epochs, shuffle=False, verbose=0)
    return model


def outputs(model, training=False):
    return array(model({"in": data(seed=2)}, training=training)["out"])


def layers_by_path(model, prefix=""):
    for layer in model._flatten_layers(include_self=False, recursive=False):
        yield prefix + layer.name, layer
        yield from layers_by_path(layer, f"{prefix}{layer.name}/")
