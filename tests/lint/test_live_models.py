"""Models in memory: every layer is seen, and live and saved say the same."""

import itertools
import sys

import keras
import numpy as np
import pytest

import lint
from lint.subjects import Opener
from lint.subjects.live_model import is_live_model, read_live_model

BN = keras.layers.BatchNormalization


@keras.saving.register_keras_serializable("lint_tests")
class Block(keras.layers.Layer):
    """A layer that Keras saves as one entry."""

    def __init__(self, bn=None, **options):
        super().__init__(**options)
        self.dense = keras.layers.Dense(3, name="dense")
        self.bn = bn or BN(name="bn")

    def build(self, shape):
        self.dense.build(shape)
        self.bn.build((None, 3))

    def call(self, x, training=None):
        return self.bn(self.dense(x), training=training)


@keras.saving.register_keras_serializable("lint_tests")
class Net(keras.Model):
    """A model whose layers are in attributes, lists and dictionaries."""

    def __init__(self, **options):
        super().__init__(**options)
        self.first = BN(name="first")
        self.blocks = [Block(name="a"), Block(name="b")]
        self.heads = {"x": BN(name="x")}

    def call(self, x, training=None):
        x = self.first(x, training=training)
        for block in self.blocks:
            x = block(x, training=training)
        return self.heads["x"](x, training=training)


def net():
    model = Net()
    model(np.zeros((2, 4), np.float32))
    return model


def sequential(**options):
    return keras.Sequential([keras.Input((4,)), BN(name="bn", **options)], name="stack")


def functional(**call):
    inner_in = keras.Input((4,))
    bn = BN(name="bn")
    inner = keras.Model(inner_in, bn(inner_in, **call), name="inner")
    x = inputs = keras.Input((4,))
    x = inner(x)
    x = Block(name="block")(x)
    x = keras.layers.Dense(4, name="dense")(x)
    return keras.Model(inputs, inner(x) + sequential()(x))


class OwnConstructor(keras.Model):
    """Functional, though its configuration holds only its constructor's arguments."""

    def __init__(self):
        inputs = keras.Input((4,))
        super().__init__(inputs, BN(name="bn")(inputs, training=False))


def fitted(model, steps=3, **options):
    model.compile("sgd", "mean_squared_error", **options)
    x = np.random.default_rng(0).normal(5, 2, (8 * steps, 4)).astype(np.float32)
    y = np.zeros((8 * steps, *model.output_shape[1:]), np.float32)
    model.fit(x, y, batch_size=8, verbose=0)
    return model


def paths(model):
    return {bn.path for bn in model.batch_norms}


class TestLayers:
    def test_of_a_subclassed_model(self):
        model = read_live_model(net())
        assert paths(model) == {"first", "a/bn", "b/bn", "x"}
        assert model.graph is None

    def test_of_a_functional_model(self):
        model = read_live_model(functional(training=True))
        assert paths(model) == {"inner/bn", "block/bn", "stack/bn"}
        by_path = {bn.path: bn for bn in model.batch_norms}
        assert by_path["inner/bn"].training_flags == (True,)
        assert by_path["inner/bn"].calls == 2
        assert by_path["stack/bn"].training_flags == ()
        assert model.graph is not None

    def test_of_a_functional_model_with_its_own_constructor(self):
        (bn,) = read_live_model(OwnConstructor()).batch_norms
        assert bn.training_flags == (False,)

    def test_that_are_shared_count_once(self):
        shared = BN(name="bn")
        model = keras.Sequential([Block(shared, name="a"), Block(shared, name="b")])
        assert [bn.path for bn in read_live_model(model).batch_norms] == ["a/bn"]

    def test_of_a_wrapper(self):
        assert paths(read_live_model(wrapped())) == {"each/bn"}

    def test_that_were_never_built(self):
        model = read_live_model(keras.Sequential([BN(name="bn")]))
        assert model.batch_norms[0].read_statistics() is None
        assert lint.check(keras.Sequential([BN(name="bn")])) == []

    def test_that_cannot_be_serialised(self):
        class Stubborn(keras.layers.Layer):
            def get_config(self):
                raise RuntimeError("no")

            def call(self, x):
                return x

        inputs = keras.Input((4,))
        model = keras.Model(inputs, Stubborn()(BN(name="bn")(inputs)))
        assert paths(read_live_model(model)) == {"bn"}
        assert read_live_model(model).graph is not None
        assert lint.check(model) == []


class TestFrozen:
    def test_by_itself(self):
        model = net()
        model.first.trainable = False
        frozen = {bn.path for bn in read_live_model(model).batch_norms if bn.frozen}
        assert frozen == {"first"}

    def test_by_the_layer_around_it(self):
        model = net()
        model.blocks[0].trainable = False
        frozen = {bn.path for bn in read_live_model(model).batch_norms if bn.frozen}
        assert frozen == {"a/bn"}

    def test_by_the_layer_around_it_though_trainable_itself(self):
        model = net()
        model.blocks[0].trainable = False
        model.blocks[0].bn.trainable = True
        frozen = {bn.path for bn in read_live_model(model).batch_norms if bn.frozen}
        assert frozen == {"a/bn"}

    def test_reading_changes_nothing(self):
        model = functional()
        model.layers[1].trainable = False
        before = [layer.trainable for layer in model._flatten_layers()]
        names = [layer.name for layer in model._flatten_layers()]
        read_live_model(model)
        assert [layer.trainable for layer in model._flatten_layers()] == before
        assert [layer.name for layer in model._flatten_layers()] == names


class TestIterations:
    def test_without_an_optimizer_are_unknown(self):
        assert read_live_model(net()).iterations is None

    def test_are_the_optimizers(self):
        assert read_live_model(fitted(sequential())).iterations == 3

    def test_count_batches_under_gradient_accumulation(self):
        model = sequential()
        model.compile(
            keras.optimizers.SGD(gradient_accumulation_steps=4), "mean_squared_error"
        )
        model.fit(np.ones((8, 4)), np.ones((8, 4)), batch_size=1, verbose=0)
        assert read_live_model(model).iterations == 8

    def test_are_the_inner_ones_under_loss_scaling(self):
        model = sequential()
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
        model.compile(optimizer, "mean_squared_error")
        model.fit(np.ones((8, 4)), np.ones((8, 4)), batch_size=2, verbose=0)
        assert read_live_model(model).iterations == 4


def wrapped():
    inputs = keras.Input((3, 4))
    outputs = keras.layers.TimeDistributed(BN(name="bn"), name="each")(inputs)
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize(
    "build",
    [
        *(net, sequential, functional, wrapped),
        lambda: sequential(momentum=0.1),
        lambda: functional(training=True),
        lambda: fitted(sequential(scale=False)),
    ],
)
def test_live_and_saved_say_the_same(build, folder):
    model = build()
    model.save("m.keras")
    with Opener().open(folder / "m.keras") as saved:
        live = read_live_model(model)
        assert paths(saved) == paths(live)
        assert saved.iterations == live.iterations
        for one, other in zip(
            sorted(saved.batch_norms, key=lambda bn: bn.path),
            sorted(live.batch_norms, key=lambda bn: bn.path),
            strict=True,
        ):
            assert one.training_flags == other.training_flags
            first, second = one.read_statistics(), other.read_statistics()
            np.testing.assert_array_equal(first.mean, second.mean)
            np.testing.assert_array_equal(first.variance, second.variance)
            if one.config:
                assert one.config["momentum"] == other.config["momentum"]

    def summary(findings):
        return sorted((f.code, f.severity.value, f.layer or "") for f in findings)

    def is_only_saved(finding):
        return finding.code == "BN002" and finding.layer is not None

    findings = [each for each in lint.check("m.keras") if not is_only_saved(each)]
    assert summary(findings) == summary(lint.check(model))


def test_kerasbn_layers_are_batch_normalization(folder):
    import kerasbn

    layer = kerasbn.BatchNormalization(axis=[1, 2], zero_debias=True, name="bn")
    model = keras.Sequential([keras.Input((3, 4, 2)), layer])
    model.save("m.keras")
    with Opener().open(folder / "m.keras") as saved:
        (bn,) = saved.batch_norms
        assert bn.read_statistics().mean.shape == (3, 4)
    assert paths(read_live_model(model)) == {"bn"}


def test_only_models_are_models():
    assert is_live_model(sequential())
    assert not is_live_model(BN())
    assert not is_live_model("model")
    with pytest.raises(lint.UsageError, match=r"Received: <BatchNormalization"):
        lint.check(BN())


class TestHeldByAnotherLayer:
    """The graph does not show what a layer holds."""

    @staticmethod
    def model(layer, shape=(5, 4)):
        inputs = keras.Input(shape)
        return keras.Model(inputs, layer(inputs))

    @staticmethod
    def found(target):
        return {(finding.code, finding.layer) for finding in lint.check(target)}

    @pytest.mark.parametrize("name", ["m.keras", "m.h5"])
    def test_a_wrapped_layer_is_found_live_and_saved(self, folder, name):
        bn = keras.layers.BatchNormalization(momentum=0.1, name="bn")
        model = self.model(keras.layers.TimeDistributed(bn, name="wrapper"))
        model.save(folder / name)
        expected = {("BN201", "wrapper/bn")}
        assert self.found(model) == self.found(name) == expected

    def test_a_wrapped_model_is_found_live_and_saved(self, folder):
        part = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.BatchNormalization(momentum=0.1, name="first"),
                keras.layers.BatchNormalization(momentum=0.7, name="second"),
            ],
            name="part",
        )
        model = self.model(keras.layers.TimeDistributed(part, name="wrapper"))
        model.save(folder / "m.keras")
        expected = {("BN201", f"wrapper/part/{name}") for name in ("first", "second")}
        assert self.found(model) == self.found("m.keras") == expected

    def test_its_statistics_are_read_and_its_calls_unknown(self, folder):
        bn = keras.layers.BatchNormalization(name="bn")
        model = self.model(keras.layers.TimeDistributed(bn, name="wrapper"))
        bn.moving_mean.assign([1, 2, 3, 4])
        model.save(folder / "m.keras")
        with Opener().open(folder / "m.keras") as saved:
            (layer,) = saved.batch_norms
            assert list(layer.read_statistics().mean) == [1, 2, 3, 4]
        assert (layer.calls, layer.momentum) == (None, 0.99)

    @pytest.mark.parametrize("trainable", [True, False])
    def test_a_layer_of_ones_own_is_never_clean(self, folder, command, trainable):
        class Block(keras.layers.Layer):
            def __init__(self):
                super().__init__(name="block", trainable=trainable)
                self.bn = keras.layers.BatchNormalization(momentum=0.1, name="bn")

            def build(self, shape):
                self.bn.build(shape)

            def call(self, x):
                return self.bn(x)

            def get_config(self):
                return {"name": "block", "trainable": trainable}

        self.model(Block()).save(folder / "m.keras")
        assert self.found("m.keras") == {("BN002", "block/bn")}
        partly = "1 model could be checked only in part; see BN002."
        assert partly in command("m.keras", "--ignore", "BN002").out
        with Opener().open(folder / "m.keras") as saved:
            assert [batch_norm.frozen for batch_norm in saved.batch_norms] == [
                not trainable
            ]


class TestImported:
    @pytest.mark.parametrize(
        ("target", "instead"),
        [
            ("train.py:model", "train:model"),
            ("./src/train.py:model", "src.train:model"),
            ("../train.py:model", "train:model"),
        ],
    )
    def test_a_module_named_by_its_file_is_refused_unread(
        self, folder, command, target, instead
    ):
        for path in (folder / "train.py", folder / "src/train.py"):
            path.parent.mkdir(exist_ok=True)
            path.write_text("open('has_run', 'w')")
        outcome = command(target)
        assert outcome.status == 2
        assert f"Received: {target!r}. Write {instead}, as Python" in outcome.err
        assert not (folder / "has_run").exists()

    numbers = itertools.count()

    @pytest.fixture
    def module(self, folder):
        """Writes a module of a name that was never imported."""

        def write(text):
            name = f"users_module_{next(self.numbers)}"
            text = f"import keras\nprint('building')\n{text}\n"
            (folder / f"{name}.py").write_text(text)
            return name

        return write

    MODEL = (
        "keras.Sequential([keras.Input((4,)), "
        "keras.layers.BatchNormalization(momentum=0.1, name='bn')])"
    )

    @pytest.mark.parametrize(
        "text",
        [
            f"net = {MODEL}",
            f"def net():\n    return {MODEL}",
            f"class box: net = {MODEL}",
        ],
    )
    def test_a_model_or_a_function(self, module, command, text):
        target = f"{module(text)}:{'box.net' if 'box' in text else 'net'}"
        outcome = command(target, "--output-format", "json")
        assert outcome.status == 1
        assert '"code": "BN201"' in outcome.out
        assert f'"path": "{target}"' in outcome.out
        assert "building" not in outcome.out
        assert "building" in outcome.err

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("net = 3", "is not a Keras model. Received: int."),
            ("raise RuntimeError('broken')", "RuntimeError: broken"),
            ("raise SystemExit(0)", "SystemExit: 0"),
            ("def net(size): pass", "needs arguments. Received: net(size). Name a"),
            ("def net(*, size): pass", "needs arguments. Received: net(*, size)."),
            ("def net(): return 1 / 0", "ZeroDivisionError: division by zero"),
            ("nothing = 1", "has no attribute 'net'"),
            ("this is no Python", "SyntaxError"),
        ],
    )
    def test_what_fails_is_one_message(self, module, command, text, message):
        target = f"{module(text)}:net"
        outcome = command(target)
        assert outcome.status == 2
        errors = [line for line in outcome.err.split("\n") if line.startswith("Error")]
        assert len(errors) == 1
        assert f"Error: {target} " in outcome.err
        assert message in outcome.err
        assert "Traceback" not in outcome.err

    def test_leaves_the_search_path_as_it_was(self, module, command):
        before = list(sys.path)
        command(f"{module(f'net = {self.MODEL}')}:net")
        assert sys.path == before

    def test_a_module_that_is_not_there(self, command):
        outcome = command("nowhere.at_all:net")
        assert outcome.status == 2
        assert "No module named 'nowhere'" in outcome.err

    def test_a_file_of_that_name_is_a_file(self, folder, command):
        (folder / "odd:name").write_text("")
        assert "odd:name: BN003 " in command("odd:name").err
