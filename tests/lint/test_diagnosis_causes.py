"""Each cause, planted in a real network on real data: its name, and what helps."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn.datasets import load_digits

import kerasbn
import lint

BN = layers.BatchNormalization
BACKEND = keras.backend.backend()

pytestmark = pytest.mark.long

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def net(momentum=0.9, inputs=64, dropout=0.0, **options):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            layers.Dense(24),
            BN(momentum=momentum, name="bn1", **options),
            layers.ReLU(),
            layers.Dense(24),
            BN(momentum=momentum, name="bn2", **options),
            layers.ReLU(),
            layers.Dropout(dropout),
            layers.Dense(10),
        ]
    )


def fitted(model, x=X, y=Y, epochs=4, optimizer=None, **options):
    optimizer = optimizer or keras.optimizers.Adam(3e-3)
    model.compile(optimizer, LOSS, metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, verbose=0, **{"batch_size": 32, **options})
    return model


@pytest.fixture(scope="module")
def trained():
    """The weights of a healthy network: each test puts them into one of its own."""
    return fitted(net()).get_weights()


@pytest.fixture
def model(trained):
    model = net()
    model.set_weights(trained)
    model.compile("sgd", LOSS, metrics=["accuracy"])
    return model


def names(diagnosis):
    return {cause.name: cause.certainty for cause in diagnosis.causes}


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, BN)]


def loss_of(model, x=X, y=Y):
    return model.evaluate(x, y, verbose=0)[0]


def heals(model, diagnosis, x=X, y=Y):
    """Whether the remedy does what the trial says, and leaves nothing to say."""
    assert diagnosis.remedy == "kerasbn.recalibrate(model, x)"
    promised = diagnosis.scores["recalibrated"].loss.mean
    before = loss_of(model, x, y)
    kerasbn.recalibrate(model, x, verbose=0)
    after = loss_of(model, x, y)
    assert after < before
    np.testing.assert_allclose(after, promised, rtol=0.5)
    return lint.diagnose(model, x, y)


def test_not_converged():
    model = fitted(net(momentum=0.999), epochs=2)
    diagnosis = lint.diagnose(model, X, Y)
    assert names(diagnosis) == {"not converged": "certain"}
    assert diagnosis.causes[0].layers == ("bn1", "bn2")
    assert "89%" in diagnosis.causes[0].evidence  # 0.999 ** 114
    assert diagnosis.layers[0].share > 0.3
    model.optimizer = None  # The numbers show it, too.
    assert names(lint.diagnose(model, X, Y)) == {"not converged": "likely"}
    heals(model, diagnosis)


def test_never_moved_though_it_was_trained_with_batches(model):
    for layer in norms(model):
        layer.moving_mean.assign(ops.zeros_like(layer.moving_mean))
        layer.moving_variance.assign(ops.ones_like(layer.moving_variance))
    diagnosis = lint.diagnose(model, X, Y)
    assert names(diagnosis) == {"never moved": "certain"}
    assert heals(model, diagnosis).healthy


class Flagless(keras.Model):
    """Its `call` lacks `training`."""

    def __init__(self):
        super().__init__()
        keras.utils.set_random_seed(0)
        self.layers_inside = [layers.Dense(24), BN(), layers.ReLU(), layers.Dense(10)]

    def call(self, x):
        for layer in self.layers_inside:
            x = layer(x)
        return x


def test_never_moved_as_it_was_not_told_that_it_trains():
    diagnosis = lint.diagnose(fitted(Flagless(), epochs=2), X, Y)
    assert names(diagnosis) == {"never moved": "certain", "flag hard-coded": "certain"}
    assert diagnosis.remedy is None  # The weights know no normalization.
    (uses,) = diagnosis.modes.values()
    assert str(uses["fit"]) == str(uses["predict"]) == "running"


class Flagged(keras.Model):
    """Its batch normalization is given a constant."""

    def __init__(self, flag):
        super().__init__()
        keras.utils.set_random_seed(0)
        self.flag = flag
        self.first, self.bn, self.last = layers.Dense(24), BN(), layers.Dense(10)

    def call(self, x, training=None):
        return self.last(ops.relu(self.bn(self.first(x), training=self.flag)))


@pytest.mark.parametrize("flag", [True, False])
def test_flag_hard_coded(flag):
    diagnosis = lint.diagnose(fitted(Flagged(flag), epochs=2), X, Y)
    assert names(diagnosis)["flag hard-coded"] == "certain"
    (uses,) = diagnosis.modes.values()
    assert str(uses["evaluate"]) == ("batch, moves" if flag else "running")
    assert str(uses["fit"]) == ("batch, moves" if flag else "running")


def test_momentum_too_small():
    model = fitted(net(momentum=0.1), batch_size=8)
    diagnosis = lint.diagnose(model, X, Y)
    assert list(names(diagnosis)) == ["momentum too small"]
    assert heals(model, diagnosis).healthy


@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.long), 2])
def test_batches_too_small(size):
    model = fitted(net(), X[:500], Y[:500], epochs=2, batch_size=size)
    diagnosis = lint.diagnose(model, X, Y)
    assert list(names(diagnosis)) == ["batches too small"]
    assert f"about {size} sample" in diagnosis.causes[0].evidence


def test_batches_of_one_that_are_given(model):
    batches = [(X[i : i + 1], Y[i : i + 1]) for i in range(64)]
    assert "batches too small" in names(lint.diagnose(model, batches, steps=64))


def test_averaged_weights():
    optimizer = keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.99)
    model = fitted(net(), optimizer=optimizer)
    diagnosis = lint.diagnose(model, X, Y)
    assert names(diagnosis) == {"averaged weights": "certain"}
    assert "averaged weights" not in names(heals(model, diagnosis))


@pytest.mark.long
def test_averaged_weights_by_hand():
    model, kept = net(), []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.append(
            [ops.convert_to_numpy(each) for each in model.trainable_variables]
        )
    )
    fitted(model, optimizer=keras.optimizers.Adam(6e-2), epochs=6, callbacks=[keep])
    for variable, *values in zip(model.trainable_variables, *kept, strict=True):
        variable.assign(np.mean(values, axis=0))
    diagnosis = lint.diagnose(model, X, Y)
    assert "averaged weights" in names(diagnosis)
    assert heals(model, diagnosis).healthy


@pytest.fixture(scope="module")
def domains():
    """Batches of plain and of inverted digits in turn."""
    batches = [
        (X[i : i + 32] if i % 64 else 3 - 2 * X[i : i + 32], Y[i : i + 32])
        for i in range(0, 32 * 56, 32)
    ]
    model = net()
    model.compile(keras.optimizers.Adam(3e-3), LOSS, metrics=["accuracy"])
    for _ in range(8):
        for x, y in batches:
            model.train_on_batch(x, y)
    return model, batches


class TestUnlikeInputs:
    def test_of_two_calls_of_one_layer(self):
        keras.utils.set_random_seed(0)
        one, other = X, 3 - 2 * X[::-1]
        same = (Y[::-1] == Y).astype("float32")[:, None]
        branch = keras.Sequential(
            [keras.Input((64,)), layers.Dense(24), BN(momentum=0.9), layers.ReLU()]
        )
        left, right = keras.Input((64,)), keras.Input((64,))
        both = layers.Concatenate()([branch(left), branch(right)])
        both = layers.Dense(24, "relu")(both)
        model = keras.Model([left, right], layers.Dense(1)(both))
        model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
        model.fit([one, other], same, epochs=10, batch_size=32, verbose=0)
        diagnosis = lint.diagnose(model, [one, other], same)
        assert list(names(diagnosis)) == ["unlike inputs"]

    def test_of_batches_of_one_kind_each(self, domains):
        model, batches = domains
        diagnosis = lint.diagnose(model, batches, steps=56)
        assert "unlike inputs" in names(diagnosis)
        assert diagnosis.remedy is None

    @pytest.mark.long
    def test_of_arrays_in_such_an_order(self, domains):
        model, batches = domains
        x, y = (np.concatenate(each) for each in zip(*batches, strict=True))
        assert "unlike inputs" in names(lint.diagnose(model, x, y))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: 255 * x, "x / 255"),
        (lambda x: 1 + 3 * x, "x.min(0)"),
        (lambda x: 1 + 3 * x - x[:, ::-1], "other"),
    ],
)
def test_unlike_data(model, change, said):
    x = change(X)
    diagnosis = lint.diagnose(model, x, Y)
    assert names(diagnosis) == {"unlike data": "likely"}
    assert said in diagnosis.causes[0].evidence
    assert diagnosis.layers[0].path == "bn1"
    assert diagnosis.layers[0].share > 0.9
    if said == "other":
        heals(model, diagnosis, x)
    else:  # To preprocess is better than to give in.
        assert diagnosis.remedy.endswith("  # if the model is to take x as it is")


def test_frozen(model):
    for layer in norms(model):
        layer.trainable = False
    model.compile("sgd", LOSS, metrics=["accuracy"])
    x = 1 + 3 * X
    diagnosis = lint.diagnose(model, x, Y)
    assert names(diagnosis)["frozen"] == "certain"
    assert {str(mode["fit"]) for mode in diagnosis.modes.values()} == {"running"}
    heals(model, diagnosis, x)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_not_finite(model, value):
    norms(model)[1].moving_variance.assign(np.full(24, value))
    diagnosis = lint.diagnose(model, X, Y)
    assert names(diagnosis) == {"not finite": "certain"}
    assert diagnosis.causes[0].layers == ("bn2",)
    if not value > 0:
        assert diagnosis.to_json()["scores"]["inference mode"]["loss"]["mean"] is None
    assert diagnosis.remedy is not None


def test_data_that_are_not_finite(model):
    x = X.copy()
    x[7, 3] = np.nan
    (cause,) = lint.diagnose(model, x, Y, steps=60).causes
    assert (cause.name, cause.layers) == ("not finite", ())


def test_dtype_too_narrow():
    model = fitted(net(momentum=0.999, dtype="float16"), X * 16, epochs=12)
    diagnosis = lint.diagnose(model, X * 16, Y)
    assert "dtype too narrow" in names(diagnosis)
    assert any("mixed_float16" in cause.advice for cause in diagnosis.causes)


class TestNotBatchNormalization:
    def test_targets_of_other_samples(self, model):
        diagnosis = lint.diagnose(model, X, np.roll(Y, 7))
        assert names(diagnosis) == {"not batch normalization": "likely"}
        assert diagnosis.remedy is None

    def test_another_layer_that_depends_on_the_mode(self):
        class Halves(layers.Layer):
            def call(self, x, training=False):
                return x if training else 0.02 * x[:, ::-1]

        keras.utils.set_random_seed(0)
        model = keras.Sequential([*net().layers[:-1], Halves(), layers.Dense(10)])
        diagnosis = lint.diagnose(fitted(model), X, Y)
        assert names(diagnosis) == {"not batch normalization": "likely"}
