"""Watching real trainings: what is warned of, what is not, and that nothing changes."""

import contextlib
import io
import itertools
import re

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasbn
import lint
from lint.watching.losses import reason
from lint.watching.statistics import Reading, batches_between

BACKEND = keras.backend.backend()


def data(samples=320, mean=0.0, std=1.0):
    x = np.random.default_rng(0).normal(mean, std, (samples, 4)).astype("float32")
    return x, x[:, :1] - mean


def net(bn=None, **options):
    keras.utils.set_random_seed(0)
    bn = bn or layers.BatchNormalization(name="bn", **options)
    return keras.Sequential([keras.Input((4,)), bn, layers.Dense(1)])


class Flagless(keras.Model):
    """Its `call` lacks `training`."""

    def __init__(self):
        super().__init__()
        self.bn = layers.BatchNormalization(name="bn")
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(self.bn(x))


def fitted(model, x, y, watch, epochs=1, **options):
    model.compile("sgd", "mse")
    options = {"batch_size": 16, "verbose": 0, **options}
    model.fit(x, y, epochs=epochs, callbacks=[watch], **options)
    return [(notice.kind, notice.layer) for notice in watch.notices]


def watching(**options):
    return lint.Watch(**{"every": 1, "verbose": False, **options})


class TestBatchesBetween:
    """Against running statistics that NumPy moves, batch by batch."""

    @pytest.mark.parametrize("momentum", [0.0, 0.9, 0.999])
    def test_of_a_plain_layer(self, momentum):
        rng = np.random.default_rng(0)
        means, variances = rng.normal(5, 1, (7, 3)), rng.uniform(1, 9, (7, 3))
        mean, variance = np.zeros(3), np.ones(3)
        for each_mean, each_variance in zip(means, variances, strict=True):
            mean = momentum * mean + (1 - momentum) * each_mean
            variance = momentum * variance + (1 - momentum) * each_variance
        found = batches_between(
            Reading(0, np.zeros(3), np.ones(3)), Reading(7, mean, variance), momentum, 1
        )
        weights = momentum ** np.arange(6.0, -1, -1)
        np.testing.assert_allclose(found.mean, np.average(means, 0, weights))
        np.testing.assert_allclose(found.variance, np.average(variances, 0, weights))

    @pytest.mark.parametrize(
        "options", [{"zero_debias": True}, {"momentum": None}, {"momentum": 0.7}]
    )
    def test_of_kerasbn_layers(self, options):
        layer = kerasbn.BatchNormalization(**options)
        batches = np.random.default_rng(0).normal(3, 2, (5, 8, 2)).astype("float32")
        layer.build((None, 2))

        def reading(step):
            weight = getattr(layer, "moving_weight", None)
            arrays = (layer.moving_mean, layer.moving_variance)
            numbers = [ops.convert_to_numpy(array.value) for array in arrays]
            w = (
                1.0
                if weight is None
                else float(ops.convert_to_numpy(weight.w.value)[0])
            )
            return Reading(step, *numbers, w)

        before = None
        for step, batch in enumerate(batches):
            now = reading(step)
            layer(batch, training=True)
            before = now
        found = batches_between(before, reading(5), layer.momentum, 1)
        np.testing.assert_allclose(found.mean, batches[-1].mean(0), rtol=1e-4)
        np.testing.assert_allclose(found.variance, batches[-1].var(0), rtol=1e-3)


class TestFit:
    def test_a_healthy_training_is_silent(self):
        watch = watching()
        assert fitted(net(momentum=0.7), *data(mean=5, std=2), watch) == []

    def test_so_it_is_by_default_with_nothing_to_correct(self, capsys):
        assert fitted(net(), *data(), lint.Watch()) == []
        out = capsys.readouterr().out
        assert "Batch normalization after 20 steps" in out
        assert "constant" not in out  # no channel is

    def test_statistics_that_do_not_move(self):
        with pytest.warns(lint.WatchWarning, match="did not change") as all:
            assert fitted(Flagless(), *data(mean=5), watching()) == [
                ("not moving", "bn")
            ]
        assert (
            len([warning for warning in all if warning.category is lint.WatchWarning])
            == 1
        )

    def test_statistics_that_are_not_finite(self):
        x, y = data()
        x[100, 2] = np.nan
        watch = watching()
        with pytest.warns(lint.WatchWarning, match="are not finite"):
            assert fitted(net(), x, y, watch) == [("not finite", "bn")]
        assert 0 < watch.notices[0].step < 20

    def test_frozen_ones_need_not(self):
        model = net()
        model.layers[0].trainable = False
        assert fitted(model, *data(mean=5), watching()) == []

    def test_a_momentum_that_is_too_large_for_the_steps(self):
        watch = watching()
        with pytest.warns(lint.WatchWarning):
            found = fitted(net(momentum=0.99), *data(mean=5), watch, epochs=2)
        assert found[0] == ("lagging", "bn")
        assert watch.notices[0].step < 10  # of 40: long before the end
        assert "needs 299 steps: use momentum=0.9," in watch.notices[0].message

    @pytest.mark.filterwarnings("ignore:Your input ran out of data")
    def test_is_seen_at_the_end_where_the_steps_are_not_planned(self):
        x, y = data(mean=5)

        def batches():
            yield from ((x[i : i + 16], y[i : i + 16]) for i in range(0, 320, 16))

        watch = watching()
        model = net(momentum=0.99)
        model.compile("sgd", "mse")
        with pytest.warns(lint.WatchWarning):
            model.fit(batches(), verbose=0, callbacks=[watch], shuffle=False)
        assert ("lagging", 20) in [
            (notice.kind, notice.step) for notice in watch.notices
        ]

    def test_zero_debias_does_not_lag(self):
        bn = kerasbn.BatchNormalization(zero_debias=True, name="bn")
        assert fitted(net(bn), *data(mean=5), watching()) == []

    def test_dead_channels(self):
        x, y = data()
        x[:, 2] = 3
        with pytest.warns(lint.WatchWarning, match="1 of 4 channels is constant"):
            found = fitted(net(momentum=0.5), x, y, watching())
        assert found == [("dead channels", "bn")]

    def test_batches_of_one_sample(self):
        with pytest.warns(lint.WatchWarning):
            found = fitted(
                net(momentum=0.5), *data(60), watching(every=5), batch_size=1
            )
        assert ("collapsed", "bn") in found

    def test_batches_of_one_sample_are_no_matter_of_momentum(self):
        watch = watching()
        with pytest.warns(lint.WatchWarning):
            fitted(net(momentum=0.99), *data(40, mean=5), watch, batch_size=1)
        (message,) = [
            notice.message for notice in watch.notices if notice.kind == "collapsed"
        ]
        assert "a batch is one sample" in message
        assert not any(notice.kind == "lagging" for notice in watch.notices)

    def test_losses_part_ways_where_few_steps_keep_the_start(self):
        watch = watching()
        with pytest.warns(lint.WatchWarning, match="95% of the running statistics"):
            fitted(net(momentum=0.99), *data(80, mean=50), watch)
        (message,) = [n.message for n in watch.notices if n.kind == "loss"]
        assert "momentum=0.99 needs 299 steps" in message

    def test_losses_part_ways_in_batches_of_two(self):
        watch = watching()
        x, y = data(160)
        x[::2] += 40  # so that a pair is unlike the average of pairs
        with pytest.warns(lint.WatchWarning):
            fitted(net(momentum=0.5), x, y, watch, batch_size=2, epochs=2)
        messages = [n.message for n in watch.notices if n.kind == "loss"]
        assert all("Batches of 2 samples are too small" in text for text in messages)

    @pytest.mark.parametrize(
        "kind", [pytest.param(layers, marks=pytest.mark.long), kerasbn]
    )
    @pytest.mark.filterwarnings("ignore::lint.WatchWarning")
    def test_renorm_averages_deviations(self, kind):
        bn = kind.BatchNormalization(momentum=0.9, renorm=True, name="bn")
        watch = watching()
        found = fitted(net(bn), *data(std=0.1), watch, epochs=3)
        assert ("dead channels", "bn") not in found
        assert ("lagging", "bn") not in found
        variance = watch._monitor.layers[0].points[0].batch_variance
        np.testing.assert_allclose(variance, 0.01, rtol=1)

    def test_layers_with_the_same_trouble_are_one_warning(self):
        x = keras.Input((4,))
        norms = [layers.BatchNormalization(name=f"bn{i}")(x) for i in range(6)]
        model = keras.Model(x, layers.Dense(1)(layers.Concatenate()(norms)))
        with pytest.warns(lint.WatchWarning) as all:
            found = fitted(model, *data(mean=5), watching(every=9))
        assert [layer for kind, layer in found if kind == "lagging"] == [
            f"bn{i}" for i in range(6)
        ]
        texts = [str(warning.message) for warning in all]
        (text,) = [text for text in texts if "lag behind those" in text]
        assert text.startswith("bn0: ")
        assert text.endswith(" Also affected: bn1, bn2, bn3 and 2 more layers.")

    def test_a_warning_is_where_fit_was_called(self):
        with pytest.warns(lint.WatchWarning) as all:
            fitted(Flagless(), *data(mean=5), watching())
        warned = [warning for warning in all if warning.category is lint.WatchWarning]
        assert {each.filename for each in warned} == {__file__}

    @pytest.mark.skipif(BACKEND == "tensorflow", reason="refuses such names")
    def test_a_name_is_no_markup(self, capsys):
        bn = layers.BatchNormalization(name="bn[red]:bug:")
        fitted(net(bn), *data(), watching(verbose=True))
        assert "bn[red]:bug:" in capsys.readouterr().out

    @pytest.mark.parametrize("penalty", [0, 100])
    def test_losses_that_part_ways(self, penalty):
        x, y = data(640)
        # Batches are of one kind each, so that no batch is like all of them.
        x += np.repeat([-20, 20], 16).repeat(20).reshape(-1, 1)[:640]
        x = x.reshape(2, 20, 16, 4).swapaxes(0, 1).reshape(640, 4)
        y = y.reshape(2, 20, 16, 1).swapaxes(0, 1).reshape(640, 1)
        watch = watching(every=2)
        model = net(momentum=0.9)
        if penalty:
            kernel = model.layers[-1].kernel
            kernel.regularizer = lambda value: penalty + 0 * ops.sum(value)
        with pytest.warns(lint.WatchWarning):
            found = fitted(model, x, y, watch, epochs=5, shuffle=False)
        assert ("loss", None) in found

    def test_is_right_with_several_steps_per_execution(self):
        if BACKEND == "torch":
            pytest.skip("not on PyTorch")
        watch = watching()
        model = net(momentum=0.9)
        model.compile("sgd", "mse", steps_per_execution=6)
        x, y = data(mean=5)
        model.fit(x, y, epochs=3, batch_size=16, verbose=0, callbacks=[watch])
        assert watch.notices == []
        assert watch._monitor.step == 60

    def test_one_watch_serves_several_trainings(self):
        watch = watching(every=5)
        model = net(momentum=0.7)
        for _ in range(2):
            assert fitted(model, *data(mean=5), watch) == []

    def test_keras_need_not_wait_for_each_step(self):
        """As it does for any callback that has this method."""
        default = keras.callbacks.Callback.on_train_batch_end
        assert lint.Watch.on_train_batch_end is default

    def test_a_step_does_not_ask_for_the_model(self):
        """On JAX, Keras then synchronizes every variable of the model."""

        class Counting(lint.Watch):
            looks = 0

            @property
            def model(self):
                self.looks += 1
                return super().model

        def looks(samples):
            watch = Counting(every=10_000, verbose=False)
            fitted(net(), *data(samples), watch)
            return watch.looks

        assert looks(16 * 40) == looks(16 * 4)

    def test_a_training_that_fails_leaves_one_that_works(self):
        class Fails(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                raise KeyError

        model = net(momentum=0.7)
        model.compile("sgd", "mse")
        x, y = data(mean=5)
        with pytest.raises(KeyError):
            model.fit(x, y, verbose=0, callbacks=[watching(), Fails()])
        model.fit(x, y, batch_size=16, verbose=0)  # not watched
        watch = watching(every=5)
        model.fit(x, y, batch_size=16, verbose=0, callbacks=[watch])
        assert watch.notices == []
        assert len(watch._monitor.losses) == 4


class Noisy(keras.Model):
    """With dropout, a nested model and state of its own."""

    def __init__(self):
        super().__init__()
        self.part = keras.Sequential([layers.Dense(8, "relu"), layers.Dropout(0.5)])
        self.bn = layers.BatchNormalization(momentum=0.9)
        self.head = layers.Dense(1)
        self.calls = 0

    def call(self, x, training=None):
        self.calls += 1
        return self.head(self.bn(self.part(x, training=training), training=training))


class Twice(keras.Model):
    """Its training step runs the network on real and on made samples, as GANs do."""

    def __init__(self, calls):
        super().__init__()
        keras.utils.set_random_seed(0)
        self.bn = layers.BatchNormalization(momentum=0.9, name="bn")
        self.head = layers.Dense(1)
        self.times = calls

    def call(self, x, training=None):
        return self.head(self.bn(x, training=training))

    def compute_loss(self, x=None, y=None, y_pred=None, *_, **__):
        more = [self(x * 0.9, training=True) for _ in range(self.times - 1)]
        return sum(ops.mean((each - y) ** 2) for each in [y_pred, *more])

    def train_step(self, *arguments):
        return super().train_step(*arguments)


@pytest.mark.filterwarnings("ignore::lint.WatchWarning")
class TestCauses:
    """That look like others."""

    def test_momentum_1_keeps_the_statistics(self):
        watch = watching()
        assert ("not moving", "bn") in fitted(net(momentum=1.0), *data(mean=5), watch)
        (still,) = (notice for notice in watch.notices if notice.kind == "not moving")
        assert "momentum=1 keeps them for ever" in still.message

    def test_batches_without_variance_do_not_look_like_a_teacher(self):
        x = keras.Input((8, 4))
        trained = layers.BatchNormalization(name="trained")(x)
        still = layers.GlobalAveragePooling1D()(trained)
        still = layers.BatchNormalization(name="still", center=False)(still)
        x_data = np.random.default_rng(0).normal(size=(64, 8, 4)).astype("float32")
        y = layers.Dense(1)(layers.Concatenate()([layers.Flatten()(trained), still]))
        model, watch = keras.Model(x, y), watching()
        found = fitted(model, x_data, x_data[:, 0, :1], watch, batch_size=1)
        kinds = {kind for kind, layer in found if layer == "still"}
        assert kinds
        assert "moving untrained" not in kinds


class TestSeveralCallsInOneStep:
    """Of which each updates the statistics."""

    @pytest.mark.parametrize("calls", [1, 2, pytest.param(5, marks=pytest.mark.long)])
    def test_are_counted(self, calls):
        watch = watching()
        assert fitted(Twice(calls), *data(std=0.1), watch, epochs=3) == []
        (layer,) = watch._monitor.layers
        assert layer.calls == calls
        np.testing.assert_allclose(layer.points[0].batch_variance, 0.01, rtol=1)

    def test_are_counted_once_where_several_steps_are_one_execution(self):
        if BACKEND == "torch":
            pytest.skip("not on PyTorch")
        watch, (x, y) = watching(), data(std=0.1)
        model = Twice(2)
        model.compile("sgd", "mse", steps_per_execution=4)
        model.fit(x, y, epochs=4, batch_size=16, verbose=0, callbacks=[watch])
        assert watch._monitor.layers[0].calls == 2
        assert watch.notices == []

    def test_that_were_compiled_before_are_not_guessed(self):
        model, (x, y) = Twice(2), data(std=0.1)
        fitted(model, x, y, watching(), epochs=3)
        watch = watching()
        model.fit(x * 0.1, y, batch_size=16, verbose=0, callbacks=[watch])
        assert watch.notices == []
        assert watch._monitor.layers[0].calls == (2 if BACKEND == "torch" else None)

    def test_of_a_layer_that_is_shared(self):
        bn = layers.BatchNormalization(momentum=0.9, name="bn")
        x = keras.Input((4,))
        model = keras.Model(x, layers.Dense(1)(bn(x) + bn(x * 0.9)))
        watch = watching()
        assert fitted(model, *data(std=0.1), watch, epochs=3) == []
        assert watch._monitor.layers[0].calls == 2

    def test_leave_the_layers_as_they_were(self):
        class Fails(keras.Model):
            def __init__(self):
                super().__init__()
                self.bn = layers.BatchNormalization()

            def call(self, x, training=None):
                raise KeyError

        for model in (Twice(2), Fails()):
            model.compile("sgd", "mse")
            x, y = data()
            # JAX and PyTorch fail in building it already.
            with contextlib.suppress(KeyError, RuntimeError):
                model.fit(x, y, verbose=0, callbacks=[watching()])
            assert "call" not in vars(model.bn)


EAGERLY = [False, True] if BACKEND == "tensorflow" else [False]


@pytest.mark.parametrize("eagerly", EAGERLY)
@pytest.mark.filterwarnings("ignore::lint.WatchWarning")
def test_the_training_is_the_same_to_the_bit(eagerly):
    def trained(callbacks):
        keras.utils.set_random_seed(1)
        model = Noisy()
        model.compile("adam", "mse", metrics=["mae"], run_eagerly=eagerly)
        x, y = data(90, mean=5)
        history = model.fit(
            x, y, epochs=2, batch_size=16, verbose=0, callbacks=callbacks
        )
        variables = [*model.variables, *model.optimizer.variables]
        arrays = [ops.convert_to_numpy(variable.value) for variable in variables]
        # A call more would be a step that was compiled once more.
        of_keras = {k: v for k, v in history.history.items() if k[:3] != "bn/"}
        return [array.tobytes() for array in arrays], of_keras, model.calls

    watches = [watching(), watching(every=3), watching(every=None)]
    expected = trained([])
    for watch in watches:
        assert trained([watch]) == expected
    # It did look, and had batches of the training to look at.
    assert len(watches[0]._monitor.losses) == 12
    assert len(watches[0]._monitor.layers[0].inputs) == 12


def steps_of(model, training):
    """A training loop of this backend, which yields after each step what it holds."""
    x, y = data(mean=5)
    batches = [(x[i : i + 16], y[i : i + 16]) for i in range(0, 320, 16)]
    flag = {"training": True} if training else {}
    return {"tensorflow": _tape, "jax": _stateless, "torch": _backward}[BACKEND](
        model, batches, flag
    )


def _tape(model, batches, flag):
    import tensorflow as tf

    optimizer = keras.optimizers.SGD(0.01)

    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, **flag) - y) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

    for x, y in batches:
        train_step(x, y)
        yield x, y, {}


def _stateless(model, batches, flag):
    import jax

    trainable = [variable.value for variable in model.trainable_variables]
    state = [variable.value for variable in model.non_trainable_variables]

    def loss(trainable, state, x, y):
        y_pred, state = model.stateless_call(trainable, state, x, **flag)
        return ((y_pred - y) ** 2).mean(), state

    for x, y in batches:
        gradients, state = jax.grad(loss, has_aux=True)(trainable, state, x, y)
        pairs = zip(trainable, gradients, strict=True)
        trainable = [value - 0.01 * gradient for value, gradient in pairs]
        held = {"trainable_variables": trainable, "non_trainable_variables": state}
        yield x, y, held


def _backward(model, batches, flag):
    import torch

    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for x, y in batches:
        optimizer.zero_grad()
        ((model(torch.tensor(x), **flag) - torch.tensor(y)) ** 2).mean().backward()
        optimizer.step()
        yield torch.tensor(x), torch.tensor(y), {}


def _watch_all(loop, steps):
    for _, _, held in steps:
        loop.step(**held)


def mean_squared_error(y, y_pred):
    return ops.mean((ops.convert_to_tensor(y) - y_pred) ** 2)


class TestLoop:
    def test_a_right_one_is_silent(self):
        options = {"every": 1, "verbose": False, "loss": mean_squared_error}
        model = net(momentum=0.7)
        with lint.watch(model, **options) as loop:
            for x, y, held in steps_of(model, training=True):
                loop.step(x, y, **held)
        assert loop.notices == []
        losses = loop._monitor.losses
        assert len(losses) == 20
        assert losses[-1].inference < 0.5 * losses[0].inference

    def test_one_that_does_not_say_training(self):
        model = net()
        with (
            pytest.warns(lint.WatchWarning, match=r"did not change in 3 .*BN102"),
            lint.watch(model, every=1, verbose=False) as loop,
        ):
            _watch_all(loop, steps_of(model, training=False))
        assert [notice.kind for notice in loop.notices] == ["not moving"]

    @pytest.mark.skipif(BACKEND == "jax", reason="JAX' loops hold the values")
    def test_that_never_says_step(self):
        model = net()
        with (
            pytest.warns(lint.WatchWarning, match="did not change, though"),
            lint.watch(model, verbose=False),
        ):
            assert len(list(steps_of(model, training=False))) == 20

    @pytest.mark.parametrize("calls", [1, 2])
    def test_in_which_the_network_is_called_more_than_once(self, calls):
        bn = layers.BatchNormalization(momentum=0.9, name="bn")
        once = net(bn)
        model = keras.Sequential([once])

        class Several(keras.Model):
            def call(self, x, training=None):
                return sum(once(x, training=training) for _ in range(calls))

        several = Several()
        several.once = once
        x = np.zeros((1, 4), "float32")
        several(x)
        with lint.watch(model, every=1, verbose=False) as loop:
            _watch_all(loop, itertools.islice(steps_of(several, training=True), 3))
        assert loop._monitor.layers[0].calls == calls

    @pytest.mark.skipif(BACKEND != "tensorflow", reason="of its graphs")
    def test_in_which_a_constant_is_normalized(self):
        import tensorflow as tf

        model = net()
        constant = tf.ones((3, 4))

        @tf.function
        def step():
            model.layers[0](constant, training=True)
            model.layers[0].call(constant, True)

        with lint.watch(model, every=1, verbose=False) as loop:
            for _ in range(3):
                step()
                loop.step()
        assert loop._monitor.layers[0].calls == 2

    def test_that_trains_nothing(self):
        with lint.watch(net(), every=1, verbose=False) as loop:
            for _ in range(9):
                loop.step()
        assert loop.notices == []

    def test_that_raises_ends_without_a_table(self, capsys):
        with pytest.raises(KeyError), lint.watch(net()):
            raise KeyError
        assert capsys.readouterr().out == ""

    def test_wants_one_value_for_each_variable(self):
        expected = pytest.raises(lint.UsageError, match="1 values for 2 variables")
        with lint.watch(net(), verbose=False) as loop, expected:
            loop.step(non_trainable_variables=[0])

    def test_wants_a_model(self):
        expected = pytest.raises(lint.UsageError, match="Received: 3 of type int")
        with expected, lint.watch(3):
            pass


class TestRemedies:
    """What is said removes the harm: each is followed here, and silence comes of it."""

    def own_step(self, flag):
        import tensorflow as tf

        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.bn = layers.BatchNormalization(momentum=0.5, name="bn")
                self.head = layers.Dense(1)

            def call(self, x, training=None):
                return self.head(self.bn(x, training=training))

            def train_step(self, batch):
                x, y = batch
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((self(x, **flag) - y) ** 2)
                gradients = tape.gradient(loss, self.trainable_variables)
                self.optimizer.apply(gradients, self.trainable_variables)
                return {"loss": loss}

        keras.utils.set_random_seed(0)
        return Own()

    @pytest.mark.skipif(BACKEND != "tensorflow", reason="the step is of its own")
    def test_in_a_training_step_of_its_own(self):
        x, y = data(mean=5)
        with pytest.warns(
            lint.WatchWarning, match=r"training=True in the model.s own train_step"
        ):
            fitted(self.own_step({}), x, y, watching())
        assert fitted(self.own_step({"training": True}), x, y, watching()) == []

    @pytest.mark.skipif(BACKEND != "tensorflow", reason="the step is of its own")
    def test_in_a_call_that_loses_what_its_step_says(self):
        model = self.own_step({"training": True})
        model.call = lambda x, training=None: model.head(model.bn(x, training=False))
        with pytest.warns(lint.WatchWarning, match="do not pass None or False on"):
            fitted(model, *data(mean=5), watching())

    def test_where_methods_only_prepare_for_those_of_keras(self):
        class Delegates(Flagless):
            def train_step(self, *arguments):
                return super().train_step(*arguments)

            def fit(self, *arguments, **options):
                return super().fit(*arguments, **options)

        watch = watching()
        with pytest.warns(lint.WatchWarning, match="Give `call` a parameter"):
            fitted(Delegates(), *data(mean=5), watch)
        assert "train_step" not in watch.notices[0].message

    @pytest.mark.filterwarnings("ignore:Gradients do not exist")
    @pytest.mark.parametrize("flag", [True, False])
    def test_of_a_fixed_teacher(self, flag):
        keras.utils.set_random_seed(0)
        teacher = net(momentum=0.5)

        class Student(keras.Model):
            def __init__(self):
                super().__init__()
                self.teacher = teacher
                self.bn = layers.BatchNormalization(momentum=0.5, name="own")
                self.head = layers.Dense(1)

            def call(self, x, training=None):
                aim = ops.stop_gradient(self.teacher(x, training=flag))
                return self.head(self.bn(x, training=training)) + 0 * aim

        x, y = data(mean=5)
        watch = watching()
        if not flag:
            assert fitted(Student(), x, y, watch) == []
            return
        with pytest.warns(lint.WatchWarning, match="call it with training=False"):
            (notice,) = fitted(Student(), x, y, watch)
        assert notice[0] == "moving untrained"

    @pytest.mark.parametrize("shared", [True, False])
    def test_of_unlike_inputs(self, shared):
        keras.utils.set_random_seed(0)
        one = layers.BatchNormalization(momentum=0.5, name="one")
        other = one if shared else layers.BatchNormalization(momentum=0.5)
        x = keras.Input((4,))
        model = keras.Model(x, layers.Dense(1)(one(x) + other(9 - x)))
        watch = watching()
        if not shared:
            assert fitted(model, *data(), watch) == []
            return
        with pytest.warns(lint.WatchWarning):
            found = fitted(model, *data(), watch)
        assert ("unlike inputs", "one") in found
        assert "Give each input its own batch norm" in watch.notices[0].message
        assert not any("recalibrate" in notice.message for notice in watch.notices)

    @pytest.mark.parametrize("averaged", [True, False])
    def test_of_averaged_weights(self, averaged):
        model, watch = net(momentum=0.5), watching()
        sgd = keras.optimizers.SGD(0.1, use_ema=averaged)
        model.compile(sgd, "mse")
        model.fit(*data(), batch_size=16, verbose=0, callbacks=[watch])
        said = reason(watch._monitor)
        assert ("weights are averages" in said) == averaged
        assert ("kerasbn.recalibrate" in said) == averaged
        assert ("lint.diagnose(model, x, y)" in said) != averaged


class TestLogs:
    def test_have_the_numbers_of_each_layer(self, tmp_path):
        file = tmp_path / "log.csv"
        model, (x, y) = net(momentum=0.9), data(mean=5, std=2)
        model.compile("sgd", "mse")
        history = model.fit(
            x,
            y,
            epochs=3,
            batch_size=16,
            verbose=0,
            callbacks=[watching(), keras.callbacks.CSVLogger(file)],
        ).history
        shifts = history["bn/bn/shift"]
        assert len(shifts) == 3
        assert shifts[0] > shifts[-1] < 0.5
        assert history["bn/bn/ratio"][-1] < 1.5
        assert history["bn/bn/constant"] == [0, 0, 0]
        assert "bn/bn/shift" in file.read_text().splitlines()[0]

    def test_are_left_alone_where_that_is_asked(self):
        model, (x, y) = net(momentum=0.7), data()
        model.compile("sgd", "mse")
        watch = watching(logs=False)
        history = model.fit(x, y, verbose=0, callbacks=[watch]).history
        assert list(history) == ["loss"]


class TestTensorBoard:
    def test_shows_the_inputs_of_each_layer_and_the_numbers(self, tmp_path):
        from tensorboard.backend.event_processing.event_multiplexer import (
            EventMultiplexer,
        )

        board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
        x, y = data(mean=5, std=2)
        model, watch = net(momentum=0.9), watching(tensorboard=board)
        model.compile("sgd", "mse")
        model.fit(x, y, 16, verbose=0, epochs=2, callbacks=[watch, board])
        runs = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
        assert sorted(runs.Runs()) == ["bn", "train"]
        seen = runs.Tensors("bn", "bn/bn/inputs")
        assert seen[-1].step == 40
        left, right, counts = (
            np.array(
                seen[-1].tensor_proto.float_val
                or np.frombuffer(seen[-1].tensor_proto.tensor_content)
            )
            .reshape(-1, 3)
            .T
        )
        assert counts.sum() == 16 * 4  # Every value of a batch.
        assert x.min() <= left[0] < 4 < 6 < right[-1] <= x.max()
        assert "epoch_bn/bn/shift" in runs.GetAccumulator("train").Tags()["tensors"]

    def test_a_folder_will_do(self, tmp_path):
        model = net(momentum=0.9)
        fitted(model, *data(), watching(tensorboard=tmp_path / "logs"))
        assert [path.name for path in tmp_path.glob("logs/*")] == ["bn"]

    @pytest.mark.parametrize("wrong", [1, ["logs"], object()])
    def test_anything_else_is_refused(self, wrong):
        with pytest.raises(
            ValueError, match=r"folder of logs.* Received: tensorboard="
        ):
            watching(tensorboard=wrong)


@pytest.fixture(scope="module")
def many_layers(tmp_path_factory):
    """What a training of 40 layers prints, and its picture."""
    picture = tmp_path_factory.mktemp("many_layers") / "watch.png"
    watch = watching(plot=picture, every=5, verbose=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert fitted(deep(40), *data(), watch) == []
    return printed.getvalue(), picture


def deep(count):
    keras.utils.set_random_seed(0)
    norms = [layers.BatchNormalization(momentum=0.5) for _ in range(count)]
    return keras.Sequential([keras.Input((4,)), *norms, layers.Dense(1)])


def test_the_table_of_many_layers_is_short(many_layers):
    printed, _ = many_layers
    assert "30 more" in printed
    assert printed.count("batch_norm") <= 10
    row = r"(?m)^batch_normalization_\d+ +0\.5 +[\d.]+ std +x [\d.]+ +ok$"
    assert len(re.findall(row, re.sub(r" +$", "", printed, flags=re.M))) >= 9


class TestPicture:
    def test_has_a_row_for_each_layer(self, tmp_path):
        from matplotlib.image import imread

        heights = []
        for count in (1, 3, 6):
            watch = watching(plot=tmp_path / "watch.png")
            assert fitted(deep(count), *data(), watch) == []
            heights.append(imread(tmp_path / "watch.png").shape[0])
        assert heights[1] - heights[0] == 2 * 220
        assert heights[2] - heights[1] == 220 + 140  # The fourth, and the map.
        assert [path.name for path in tmp_path.iterdir()] == ["watch.png"]

    def test_of_many_layers_is_no_larger_than_a_screen_or_two(self, many_layers):
        from matplotlib.image import imread

        _, picture = many_layers
        assert imread(picture).shape[0] < 2000

    def test_of_a_format_that_is_not_known_is_reported_after_the_training(
        self, tmp_path
    ):
        watch = watching(plot=str(tmp_path / "watch.xyz"))
        with pytest.warns(lint.WatchWarning, match="could not be drawn.*watch.xyz"):
            fitted(net(momentum=0.5), *data(), watch)
        assert list(tmp_path.iterdir()) == []

    def test_needs_matplotlib(self, monkeypatch):
        monkeypatch.setattr("lint.pictures.find_spec", lambda name: None)
        with pytest.raises(lint.UsageError, match="pip install matplotlib"):
            lint.Watch(plot="watch.png")
        assert lint.Watch() is not None

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"plot": "no/such/folder/a.png"}, "folder of the picture does not exist"),
            ({"plot": 3}, "Received: plot=3"),
            ({"every": 0}, "Received: every=0"),
            ({"every": True}, "Received: every=True"),
        ],
    )
    def test_what_is_wrong_is_refused_before_the_training(self, options, message):
        with pytest.raises(lint.UsageError, match=message):
            lint.Watch(**options)
