"""What Keras does with flags that source loses on their way to a layer."""

import keras
import numpy as np
import pytest
from keras import layers

X = np.random.default_rng(0).normal(5, 2, (32, 4)).astype("float32")


class Packed(layers.BatchNormalization):
    def call(self, x, **options):
        return super().call(x, **options)


class Named(layers.BatchNormalization):
    def call(self, x, training=None, **options):
        return super().call(x, training=training, **options)


class Block(layers.Layer):
    """Passes the flag on to one of its layers, and not to the other."""

    def __init__(self):
        super().__init__()
        self.flagged, self.left = (layers.BatchNormalization() for _ in range(2))
        for layer in (self.flagged, self.left):
            layer.build((None, 4))
        self.built = True

    def call(self, x, training=None):
        left = self.left(x)
        return left + self.flagged(x, training=training)


class Kept(layers.Layer):
    def __init__(self, is_training):
        super().__init__()
        self.is_training = is_training
        self.norm = layers.BatchNormalization()

    def call(self, x, training=None):
        return self.norm(x, training=self.is_training)


def helped(default):
    """A layer whose `call` leaves the flag of a method at its default."""

    class Helped(layers.Layer):
        def __init__(self):
            super().__init__()
            self.norm = Open()

        def normalized(self, x, training=default):
            return self.norm(x, training=training)

        def call(self, x, training=None):
            return self.normalized(x)

    return Helped()


class Open(layers.Layer):
    """Leaves the phase to what it inherits."""

    def __init__(self):
        super().__init__()
        self.batch_norm = layers.BatchNormalization()

    def build(self, shape):
        self.batch_norm.build(shape)

    def call(self, x, training=None):
        return self.batch_norm(x)


class WithLoss(keras.Model):
    """Calls a layer for its loss, beside its `call`."""

    def __init__(self, **flag):
        super().__init__()
        self.norm, self.head, self.options = Open(), layers.Dense(1), flag

    def build(self, shape):
        self.norm.build(shape)
        self.head.build(shape)

    def call(self, x, training=None):
        return self.head(x)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return keras.ops.mean(self.norm(x, **self.options) ** 2 + (y - y_pred) ** 2)


def moved(layer):
    return bool(np.abs(keras.ops.convert_to_numpy(layer.moving_mean)).max() > 0)


def fitted(layer):
    model = keras.Sequential([keras.Input((4,)), layer, layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    model.fit(X, X[:, :1], verbose=0)
    return model


@pytest.mark.parametrize(("kind", "learns"), [(Packed, False), (Named, True)])
def test_options_bring_no_flag_to_the_call_of_a_layer(kind, learns):
    layer = kind()
    fitted(layer)
    assert moved(layer) is learns


def test_a_layer_left_out_beside_another_is_told_by_the_call_around_it_alone():
    block = Block()
    block.call(X, training=True)
    assert (moved(block.flagged), moved(block.left)) == (True, False)
    block(X, training=True)
    assert moved(block.left)


@pytest.mark.parametrize("flag", [True, False])
def test_a_flag_of_the_constructor_holds_in_both_phases(flag):
    layer = Kept(flag)
    model = fitted(layer)
    assert moved(layer.norm) is flag
    alone, among = model.predict(X[:1], verbose=0), model.predict(X, verbose=0)[:1]
    assert np.allclose(alone, among, atol=1e-4) is not flag


class Augment(layers.Layer):
    def call(self, x, training=True):
        return x + 1.0 if training else x


@pytest.mark.skipif(
    tuple(map(int, keras.version().split(".")[:2])) >= (3, 16),
    reason="a default no longer reaches other layers",
)
def test_a_default_of_true_reaches_the_layers_after_it():
    norm = layers.BatchNormalization()
    inputs = keras.Input((4,))
    model = keras.Model(inputs, norm(Augment()(inputs)))
    model(X, training=False)
    assert not moved(norm)
    model(X)
    assert moved(norm)


@pytest.mark.parametrize("default", [None, False])
def test_a_default_that_a_method_passes_on_holds_in_training(default):
    layer = helped(default)
    fitted(layer)
    assert not moved(layer.norm.batch_norm)


@pytest.mark.parametrize("flag", [{}, {"training": True}])
def test_a_loss_is_computed_outside_of_the_call(flag):
    model = WithLoss(**flag)
    model.compile("sgd")
    model.fit(X, X[:, :1], verbose=0)
    assert moved(model.norm.batch_norm) is bool(flag)
