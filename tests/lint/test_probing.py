"""A live model is run in both modes: what that shows, and that it leaves nothing."""

import random

import keras
import numpy as np
import pytest
from keras import ops

import lint
from lint.subjects.live_model import read_live_model

BN = keras.layers.BatchNormalization
BACKEND = keras.backend.backend()
RULES = ["BN002", "BN101", "BN103", "BN104", "BN113"]


class Block(keras.layers.Layer):
    """A custom layer, in which no graph shows how BN is called."""

    def __init__(self, **flags):
        super().__init__(name="block")
        self.bn = BN(name="bn")
        self.flags = flags

    def call(self, x):
        return self.bn(x, **self.flags)


class CallsDirectly(Block):
    def build(self, shape):
        self.bn.build(shape)

    def call(self, x):
        return self.bn.call(x)


class Misnamed(Block):
    def call(self, x, is_training=False):
        return self.bn(x, training=is_training)


class Net(keras.Model):
    """A subclassed model around a block, with dropout and state of its own."""

    def __init__(self, block, seed=None):
        super().__init__()
        self.drop = keras.layers.Dropout(0.5, seed=seed)
        self.block = block
        self.calls = []
        self.seen = {"count": 0, "last": np.zeros(2)}

    def call(self, x, training=None):
        self.calls.append(training)
        self.seen["count"] += 1
        self.seen["last"][:] += 1
        self.newest = training
        return self.block(self.drop(x), training=training)


class Inheriting(keras.Model):
    """What it calls finds the flag by itself, but not on JAX when it is fitted."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def call(self, x, training=None):
        return self.block(x)


class Flagless(keras.Model):
    """Fitted, this one never gets training=True."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def call(self, x):
        return self.block(x)


def called(model, x=None):
    model(np.zeros((2, 4), np.float32) if x is None else x)
    return model


def found(model, select=RULES):
    """The findings but for the remark that there is no graph."""
    return [
        (finding.code, finding.severity.value, finding.layer)
        for finding in lint.check(model, select=select)
        if finding.layer is not None or finding.code != "BN002"
    ]


class TestFinds:
    def test_nothing_where_the_phase_comes_through(self):
        assert found(called(Net(Block()))) == []

    @pytest.mark.parametrize(
        ("block", "code"),
        [
            (lambda: Block(training=None), "BN101"),
            (CallsDirectly, "BN101"),
            (lambda: Block(training=False), "BN104"),
            (Misnamed, "BN104"),
            (lambda: Block(training=True), "BN103"),
        ],
    )
    def test_bn_in_a_custom_layer(self, block, code):
        assert found(called(Net(block()))) == [(code, "warning", "block/bn")]

    def test_bn_in_a_custom_layer_of_a_graph(self):
        inputs = keras.Input((4,))
        model = keras.Model(inputs, Block(training=None)(inputs))
        model.compile("sgd", "mse")
        assert found(model) == [("BN101", "error", "block/bn")]

    def test_what_the_run_saw_in_inference(self):
        (finding,) = lint.check(called(Net(Block(training=True))), select="BN103")
        assert "output for one sample depends on the others" in finding.message
        assert "running statistics move" in finding.message

    def test_a_model_whose_call_is_not_told_once(self):
        model = called(Flagless(Block()))
        assert found(model) == [("BN101", "warning", None)]

    @pytest.mark.parametrize("block", [Block, BN])
    def test_a_flag_that_is_not_passed_on(self, block):
        model = called(Inheriting(block(name="bn") if block is BN else block()))
        model.compile("sgd", "mse")
        x = np.random.default_rng(0).normal(5, 2, (8, 4)).astype("float32")
        layer = model.block if block is BN else model.block.bn
        path = "bn" if block is BN else "block/bn"
        expected = [("BN113", "error", path)] if BACKEND == "jax" else []
        assert found(model) == expected
        model.fit(x, x, verbose=0)
        moved = bool(np.abs(ops.convert_to_numpy(layer.moving_mean)).max() > 0)
        assert moved is not bool(expected)

    def test_a_flag_that_is_lost_further_in(self):
        model = called(Inheriting(Block(training=None)))
        assert found(model) == [("BN101", "warning", "block/bn")]

    def test_training_true_in_a_model_without_the_flag(self):
        model = called(Flagless(Block(training=True)))
        assert ("BN103", "warning", "block/bn") in found(model)


class TestIsSilent:
    def test_about_frozen_layers(self):
        model = called(Net(Block(training=False)))
        model.block.bn.trainable = False
        assert found(model) == []

    def test_about_layers_in_frozen_ones(self):
        model = called(Net(Block(training=None)))
        model.block.trainable = False
        model.block.bn.trainable = True
        assert found(model) == []

    def test_about_statistics_that_cannot_move(self):
        model = Net(Block(training=False))
        model.block.bn.momentum = 1.0
        assert found(called(model)) == []

    def test_about_a_batch_that_has_the_running_statistics(self):
        class Centred(Net):
            def call(self, x, training=None):
                x = ops.stack([x[0] * 0 - 1, x[0] * 0 + 1])
                return self.block(x, training=training)

        assert found(called(Centred(Block(training=False)))) == []

    def test_about_layers_that_are_not_called(self):
        class Unused(Net):
            used = True

            def call(self, x, training=None):
                return self.block(x, training=training) if self.used else x

        model = called(Unused(Block(training=False)))
        model.used = False
        assert found(model) == []

    def test_about_training_where_the_model_steps_by_itself(self):
        class Stepping(Flagless):
            def train_step(self, *arguments):
                raise NotImplementedError

        assert found(called(Stepping(Block()))) == []

    def test_about_outputs_that_compare_samples(self):
        class Similarity(Net):
            def call(self, x, training=None):
                y = self.block(x, training=training)
                return y @ ops.transpose(y)

        assert found(called(Similarity(Block()))) == []

    def test_about_statistics_that_are_not_finite(self):
        model = called(Net(Block()))
        model.block.bn.moving_mean.assign([np.nan] * 4)
        assert found(model) == []

    def test_only_informs_about_a_layer_that_keeps_its_statistics(self):
        model = called(Net(Block(training=False)))
        model.block.bn.moving_mean.assign([1, 2, 3, 4])
        assert found(model) == [("BN104", "info", "block/bn")]

    def test_about_flags_that_the_graph_shows(self):
        inputs = keras.Input((4,))
        model = keras.Model(inputs, BN()(inputs, training=False))
        assert found(model) == []


class TestInputs:
    """The model only has to be run at all; that it was, the finding shows."""

    FOUND = ("BN104", "warning", "block/bn")

    @staticmethod
    def graph(inputs, before):
        return keras.Model(inputs, Block(training=False)(before(inputs)))

    def test_integers_for_an_embedding(self):
        model = self.graph(
            keras.Input((7,), dtype="int32"), keras.layers.Embedding(2, 3)
        )
        assert found(model) == [self.FOUND]

    def test_a_dict_of_several(self):
        inputs = {
            "text": keras.Input((), dtype="int32", name="text"),
            "image": keras.Input((None, None, 3), name="image"),
        }

        def before(named):
            deep = keras.layers.Conv2D(4, 40)(named["image"])
            image = keras.layers.GlobalAveragePooling2D()(deep)
            return image + keras.layers.Embedding(2, 4)(named["text"])

        assert found(self.graph(inputs, before)) == [self.FOUND]

    def test_an_open_length_that_must_be_long(self):
        model = self.graph(keras.Input((None, 3)), keras.layers.Conv1D(4, 100))
        assert found(model) == [self.FOUND]

    @pytest.mark.parametrize("needs_all", [False, True])
    def test_a_large_image_which_may_be_smaller(self, needs_all):
        sizes = []

        def before(x):
            x = Notes()(x)
            if needs_all:
                return keras.layers.Dense(3)(keras.layers.Flatten()(x))
            return keras.layers.GlobalAveragePooling2D()(x)

        class Notes(keras.layers.Layer):
            def call(self, x):
                sizes.append(x.shape[1])
                return x

        model = self.graph(keras.Input((128, 128, 3)), before)
        sizes.clear()
        assert found(model) == [self.FOUND]
        assert sizes[-1] == (128 if needs_all else 96)
        assert not hasattr(model, "_manual_input_spec")

    def test_a_batch_of_fixed_size(self):
        inputs = keras.Input(batch_shape=(5, 6))
        model = self.graph(inputs, lambda x: ops.reshape(x, (5, 2, 3)))
        assert found(model) == [self.FOUND]

    def test_what_a_subclassed_model_was_built_for(self):
        class Two(Net):
            def call(self, x, training=None):
                return self.block(x["a"] + x["b"][0], training=training)

        x = {"a": np.zeros((2, 4)), "b": [np.zeros((2, 4)), np.zeros((2, 1))]}
        assert found(called(Two(Block(training=False)), x)) == [self.FOUND]

    def test_integers_where_floats_are_refused(self):
        class Counts(Net):
            def call(self, x, training=None):
                if not keras.backend.is_int_dtype(x.dtype):
                    raise TypeError("integers, please")
                return self.block(ops.cast(x, "float32"), training=training)

        model = called(Counts(Block(training=False)), np.zeros((2, 4), np.int32))
        assert found(model) == [self.FOUND]

    def test_more_samples_where_two_are_refused(self):
        class Fourths(Net):
            def call(self, x, training=None):
                return self.block(ops.reshape(x, (4, -1, 4)))

        model = called(Fourths(Block(training=False)), np.zeros((8, 4)))
        assert found(model) == [self.FOUND]

    def test_a_failure_is_reported(self):
        class Broken(Net):
            def call(self, x, training=None):
                if training:
                    raise RuntimeError("not today")
                return self.block(x, training=training)

        model = called(Broken(Block()))
        (finding,) = lint.check(model, select="BN002")
        assert "could not be run to see its behaviour" in finding.message
        assert finding.message.endswith("(RuntimeError: not today)")

    def test_no_known_shape_is_reported(self):
        model = Net(Block(training=False))
        model.block.bn.build((None, 4))
        (finding,) = lint.check(model, select="BN002")
        assert "the shape of its input is not known" in finding.message


def test_the_model_is_not_run_for_rules_that_do_not_ask():
    ran = []

    class Notes(Net):
        def call(self, x, training=None):
            ran.append(training)
            return super().call(x, training)

    model = called(Notes(Block()))
    ran.clear()
    lint.check(model, select="BN201")
    assert ran == []
    lint.check(model, select="BN103")
    assert ran == [True, False]


def test_what_the_model_prints_is_not_in_the_report(capsys):
    class Talks(Net):
        def call(self, x, training=None):
            print("running")
            return super().call(x)

    model = called(Talks(Block()))
    capsys.readouterr()
    lint.check(model)
    out, err = capsys.readouterr()
    assert "running" not in out
    assert "running" in err


def state_of(model):
    """All that a run could change, bit for bit."""
    layers = model._flatten_layers()
    variables = [*model.variables, *model.optimizer.variables]
    return (
        [ops.convert_to_numpy(variable.value).tobytes() for variable in variables],
        model.raw_value(),
        [sorted(vars(layer)) for layer in layers],
        [getattr(layer, "training", None) for layer in layers],
        repr((list(model.calls), dict(model.seen))),
        len(model.losses),
    )


def drawn():
    """What each source of random numbers gives next."""
    numbers = [random.random(), np.random.rand()]
    numbers.append(float(keras.random.uniform(())))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        numbers.append(float(tf.random.uniform(())))
        numbers.append(float(tf.random.uniform((), seed=3)))
        numbers.append(float(tf.random.get_global_generator().uniform(())))
    if BACKEND == "torch":
        import torch

        numbers.append(float(torch.rand(())))
    return numbers


class Draws(Net):
    """Draws whatever is random, and changes what it can."""

    is_built = fails = False

    def __init__(self, block):
        super().__init__(block, seed=7)
        if BACKEND == "tensorflow":
            import tensorflow as tf

            self.raw = tf.Variable([1.0, 2.0])
        if BACKEND == "torch":
            import torch

            self.register_buffer("raw", torch.tensor([1.0, 2.0]))

    def raw_value(self):
        """Of a variable that is not Keras' own."""
        return ops.convert_to_numpy(self.raw).tobytes() if hasattr(self, "raw") else b""

    def call(self, x, training=None):
        if not self.is_built:
            return super().call(x)
        if BACKEND == "tensorflow":
            self.raw.assign_add([1.0, 1.0])
        if BACKEND == "torch":
            self.raw += 1
        self.add_loss(ops.sum(x))
        keras.layers.Dense(2)  # takes a name
        y = super().call(x, training=training) + float(sum(drawn()))
        if self.fails and not training:
            raise RuntimeError("after all that")
        return y


def number_of(layer):
    return int(layer.name.rpartition("_")[2])


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("draws_before", [False, True])
def test_nothing_is_left_of_the_run(fails, draws_before):
    keras.backend.clear_session()
    model = called(Draws(Block(training=True)))
    model.is_built = True
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    keras.layers.Dense(1)

    def next_numbers(between):
        keras.utils.set_random_seed(5)
        if BACKEND == "tensorflow":
            import tensorflow as tf

            tf.random.set_global_generator(tf.random.Generator.from_seed(5))
        if draws_before:
            drawn()
        between()
        return drawn()

    expected = next_numbers(lambda: None)
    model.fails = fails
    before, name = state_of(model), number_of(keras.layers.Dense(1))
    findings = []
    numbers = next_numbers(lambda: findings.extend(lint.check(model, select=RULES)))
    assert ("BN103" in {finding.code for finding in findings}) is not fails
    assert numbers == expected
    assert state_of(model) == before
    assert number_of(keras.layers.Dense(1)) == name + 1


def test_a_model_that_was_probed_trains_as_one_that_was_not():
    def trained(probes):
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(8, activation="relu"),
                BN(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(1),
            ]
        )
        model.compile("adam", "mse")
        x = np.random.default_rng(0).normal(5, 2, (32, 4)).astype("float32")
        for _ in range(2):
            if probes:
                assert read_live_model(model).probe().failure == ""
            model.fit(x, x[:, :1], batch_size=8, verbose=0)
        return model.get_weights()

    for one, other in zip(trained(True), trained(False), strict=True):
        np.testing.assert_array_equal(one, other)
