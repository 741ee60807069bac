"""What a diagnosis takes, gives and leaves alone."""

import json
import os
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasbn
import lint
from lint.diagnosis import signs
from lint.diagnosis.by_batches import momentum_too_small
from lint.diagnosis.reading import read_data

BACKEND = keras.backend.backend()


def data(samples=256, mean=5.0, std=2.0):
    x = np.random.default_rng(0).normal(mean, std, (samples, 4)).astype("float32")
    return x, (x[:, :1] - mean) / std


def net(momentum=0.99, compiled=True, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,), name="x"),
            layers.BatchNormalization(momentum=momentum, name="bn", **options),
            layers.Dropout(0.1),
            layers.Dense(1),
        ]
    )
    if compiled:
        model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
    return model


@pytest.fixture(scope="module")
def lagging():
    """A model whose statistics are not converged."""
    model = net()
    model.fit(*data(), epochs=3, batch_size=16, verbose=0)
    return model


def names(diagnosis):
    return [cause.name for cause in diagnosis.causes]


@pytest.mark.every_backend
class TestNumbers:
    """Against NumPy and `evaluate`."""

    def test_distance_is_that_of_the_data(self, lagging):
        x, y = data()
        (layer,) = lint.diagnose(lagging, x, y).layers
        mean, variance = (
            ops.convert_to_numpy(statistic)
            for statistic in (
                lagging.layers[0].moving_mean,
                lagging.layers[0].moving_variance,
            )
        )
        shift = np.sqrt(((mean - x.mean(0)) ** 2 / (x.var(0) + 1e-3)).mean())
        ratio = np.exp(np.abs(np.log((variance + 1e-3) / (x.var(0) + 1e-3))).mean())
        np.testing.assert_allclose(layer.distance.shift, shift, rtol=1e-4)
        np.testing.assert_allclose(layer.distance.ratio, ratio, rtol=1e-4)
        np.testing.assert_allclose(layer.share, 1, atol=0.05)  # There is no other.

    def test_inference_is_what_evaluate_says(self, lagging):
        x, y = data()
        score = lint.diagnose(lagging, x, y).scores["inference mode"]
        loss, error = lagging.evaluate(x, y, verbose=0)
        np.testing.assert_allclose(score.loss.mean, loss, rtol=1e-4)
        np.testing.assert_allclose(score.metrics["mae"].mean, error, rtol=1e-4)
        assert score.metrics["mae"].deviation > 0

    def test_so_it_is_with_the_losses_of_layers_and_weights(self):
        class Adds(layers.Layer):
            def call(self, x):
                self.add_loss(0.1 * ops.mean(ops.abs(x)))
                return x

        x, y = data()
        for ours in (
            [layers.Dense(4, kernel_regularizer="l2")],
            [Adds()],
            [layers.Dense(4, kernel_regularizer="l2", activity_regularizer="l1")],
        ):
            keras.utils.set_random_seed(0)
            rows = [keras.Input((4,)), layers.BatchNormalization(), *ours]
            model = keras.Sequential([*rows, layers.Dense(1)])
            model.compile(keras.optimizers.SGD(0.01), "mse")
            model.fit(x, y, batch_size=16, verbose=0)
            diagnosis = lint.diagnose(model, x, y)
            loss = diagnosis.scores["inference mode"].loss.mean
            expected = np.ravel(model.evaluate(x, y, verbose=0))[0]
            np.testing.assert_allclose(loss, expected, rtol=1e-4)
            assert not diagnosis.evidence.no_loss

    def test_a_penalty_of_weights_hides_no_gap(self):
        x, y = data()
        model = net()
        model.layers[-1].kernel.regularizer = lambda kernel: 100 + 0 * ops.sum(kernel)
        model.compile(keras.optimizers.SGD(0.05), "mse")
        model.fit(x, y, epochs=3, batch_size=16, verbose=0)
        diagnosis = lint.diagnose(model, x, y)
        assert names(diagnosis) == ["not converged"]
        assert diagnosis.remedy == "kerasbn.recalibrate(model, x)"

    def test_trial_is_what_recalibrate_does(self, lagging):
        x, y = data()
        diagnosis = lint.diagnose(lagging, x, y)
        copy = keras.models.clone_model(lagging)
        copy.set_weights(lagging.get_weights())
        copy.compile("sgd", "mse")
        kerasbn.recalibrate(copy, x, verbose=0)
        promised = diagnosis.scores["recalibrated"].loss.mean
        loss, *_ = np.ravel(copy.evaluate(x, y, verbose=0))
        np.testing.assert_allclose(promised, loss, rtol=1e-3)
        assert diagnosis.remedy == "kerasbn.recalibrate(model, x)"

    def test_modes_are_told_apart(self, lagging):
        x, y = data()
        losses = {k: v.losses for k, v in lint.diagnose(lagging, x, y).scores.items()}
        normalized = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3)
        kernel, bias = (
            ops.convert_to_numpy(weight) for weight in lagging.layers[-1].weights
        )
        gamma, beta, *_ = (
            ops.convert_to_numpy(weight) for weight in lagging.layers[0].weights
        )
        pooled = ((normalized * gamma + beta) @ kernel + bias - y) ** 2
        np.testing.assert_allclose(
            losses["recalibrated"].mean(), pooled.mean(), rtol=1e-3
        )
        assert losses["only dropout trains"].mean() != losses["inference mode"].mean()
        assert (
            losses["training mode"].mean()
            != losses["only batch normalization trains"].mean()
        )


def state_of(model):
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    arrays = [ops.convert_to_numpy(variable.value).tobytes() for variable in variables]
    return arrays, [layer.trainable for layer in model.layers], sorted(vars(model))


@pytest.mark.every_backend
@pytest.mark.parametrize("wants_loss", [True, False])
def test_the_model_is_left_as_it_was(wants_loss):
    x, y = data()

    def trained(diagnosed):
        model = net(momentum=0.9)
        model.fit(x, y, batch_size=16, verbose=0)
        before = state_of(model), np.random.get_state()[1].tobytes()
        if diagnosed:
            lint.diagnose(model, x, y if wants_loss else None)
        assert (state_of(model), np.random.get_state()[1].tobytes()) == before
        assert not any("call" in vars(layer) for layer in model.layers)
        history = model.fit(x, y, batch_size=16, verbose=0).history
        return state_of(model)[0], history, model.predict(x, verbose=0).tobytes()

    assert trained(True) == trained(False)


def test_nor_when_it_fails():
    class Fails(layers.Layer):
        def call(self, x, training=None):
            if training:
                raise KeyError("no")
            return x

    model = keras.Sequential([keras.Input((4,)), *net().layers, Fails()])
    model.compile("sgd", "mse")
    before = state_of(model)
    with pytest.raises(lint.UsageError, match=r"in training mode: KeyError: no\."):
        lint.diagnose(model, *data())
    assert state_of(model) == before


def test_a_model_that_was_never_evaluated_has_no_metrics_yet():
    model = net()
    lint.diagnose(model, *data())
    assert not model.metrics_variables or not any(
        "mae" in layer.path for layer in model.metrics_variables
    )
    model.fit(*data(), verbose=0)


class TestWithoutLoss:
    def test_outputs_are_compared(self, lagging):
        diagnosis = lint.diagnose(lagging, data()[0])
        assert names(diagnosis) == ["not converged"]
        assert "because there are no targets" in str(diagnosis)
        assert diagnosis.to_json()["compared"] == "outputs"

    def test_nor_without_compile(self, lagging):
        model = net(compiled=False)
        model.set_weights(lagging.get_weights())
        diagnosis = lint.diagnose(model, *data())
        assert "because the model is not compiled" in str(diagnosis)
        assert names(diagnosis) == ["not converged"]

    def test_nor_where_the_loss_fails(self, lagging):
        x, _ = data()
        diagnosis = lint.diagnose(lagging, x, {"a": x, "b": x})
        assert "because the loss cannot be computed" in str(diagnosis)


class TestData:
    def expected(self, lagging):
        return lint.diagnose(lagging, *data()).scores["inference mode"].loss.mean

    def batches(self):
        x, y = data()
        return [(x[i : i + 32], y[i : i + 32]) for i in range(0, 256, 32)]

    @pytest.mark.parametrize(
        "kind", ["list", "generator", "dataset", "py_dataset", "torch"]
    )
    def test_of_each_kind(self, lagging, kind):
        batches = self.batches()
        if kind == "generator":
            given = iter(batches)
        elif kind == "dataset":
            tf = pytest.importorskip("tensorflow")
            given = tf.data.Dataset.from_tensor_slices(data()).batch(32)
        elif kind == "py_dataset":

            class Given(keras.utils.PyDataset):
                def __len__(self):
                    return len(batches)

                def __getitem__(self, index):
                    return batches[index]

            given = Given()
        elif kind == "torch":
            torch = pytest.importorskip("torch")
            tensors = torch.utils.data.TensorDataset(*map(torch.tensor, data()))
            given = torch.utils.data.DataLoader(tensors, batch_size=32)
        else:
            given = batches
        diagnosis = lint.diagnose(lagging, given)
        assert names(diagnosis) == ["not converged"]
        found = diagnosis.scores["inference mode"].loss.mean
        np.testing.assert_allclose(found, self.expected(lagging), rtol=1e-4)
        assert diagnosis.remedy == "kerasbn.recalibrate(model, data, steps=8)"

    def test_may_be_shuffled_as_they_are_read(self, lagging):
        batches = self.batches()

        def shuffled():
            for index in np.random.permutation(len(batches)):
                yield batches[index]

        np.random.seed(0)
        lint.diagnose(lagging, shuffled())
        found = np.random.rand()
        np.random.seed(0)
        assert np.random.rand() == found

    def test_of_several_inputs_with_weights(self):
        x, y = data()
        left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
        both = layers.Concatenate()([left, right])
        model = keras.Model(
            {"left": left, "right": right},
            layers.Dense(1)(layers.BatchNormalization(momentum=0.5)(both)),
        )
        model.compile("sgd", "mse")
        given = {"left": x, "right": x}
        model.fit(given, y, verbose=0)
        weights = np.zeros(len(x), "float32")
        diagnosis = lint.diagnose(model, given, y, weights)
        assert diagnosis.scores["inference mode"].loss.mean == 0

    def test_are_taken_at_random_and_in_whole_batches(self):
        x = np.arange(100.0)[:, None]
        found = read_data(x, None, None, 30, 32)
        assert {batch.samples for batch in found.batches} == {30}
        assert abs(found.batches[0].x.mean() - 50) < 15
        assert found.in_order[0].x.mean() < 20

    def test_few_are_shuffled_and_cut_again(self):
        x = np.arange(64.0)[:, None]
        found = read_data(x, None, None, 32, 32)
        assert len(found.batches) == len(found.in_order) == 8
        assert found.samples == found.given == 64
        epochs = [
            np.concatenate([b.x for b in found.batches[i : i + 2]]) for i in (0, 2)
        ]
        assert sorted(epochs[0].ravel()) == sorted(epochs[1].ravel()) == list(x.ravel())
        assert not np.array_equal(*epochs)
        assert len(read_data(x, None, None, 64, 32).batches) == 1
        assert len(read_data(x, None, None, 32, 3).batches) == 3

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                (np.zeros((4, 4)), np.zeros((3, 1))),
                "samples. Received: arrays of 3 and 4",
            ),
            ((np.zeros((1, 4)),), "One sample has no variance .* Received: 1 sample"),
            ((np.zeros((0, 4)),), "needs samples.* Received: no batch"),
            ((3,), "Received: x of type int"),
            (([(np.zeros((4, 4)),)], np.zeros((4, 1))), "`y` is only for arrays"),
            ((np.zeros((4, 7)),), r"cannot be run on the data: .*Received: x of shape"),
            ((np.float32(3),), "a single number"),
        ],
    )
    def test_that_do_not_fit(self, lagging, arguments, message):
        with pytest.raises(lint.UsageError, match=message):
            lint.diagnose(lagging, *arguments)

    def test_options(self, lagging):
        for option in ({"batch_size": 0}, {"steps": True}, {"steps": 1.5}):
            with pytest.raises(lint.UsageError, match="positive integer"):
                lint.diagnose(lagging, *data(), **option)

    def test_no_model(self):
        with pytest.raises(lint.UsageError, match=r"Received: 'a\.keras' of type str"):
            lint.diagnose("a.keras", *data())
        with pytest.raises(lint.UsageError, match="no weights yet"):
            lint.diagnose(keras.Sequential([layers.Dense(1)]), *data())


class TestReport:
    def test_says_what_and_where(self, lagging):
        text = str(lint.diagnose(lagging, *data()))
        assert text.startswith("Not converged (certain).")
        assert "Remedy: kerasbn.recalibrate(model, x)" in text
        assert "batch, moves" in text

    def test_as_json_and_html(self, lagging):
        diagnosis = lint.diagnose(lagging, *data())
        found = json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))
        assert found["causes"][0]["layers"] == ["bn"]
        assert found["modes"]["bn"]["fit"] == {
            "uses": "batch",
            "moves": True,
            "known": True,
        }
        assert found["trial"]["helps"] is True
        assert diagnosis._repr_html_().count("<table>") == 3

    @pytest.mark.every_backend
    @pytest.mark.skipif(BACKEND == "tensorflow", reason="refuses such names")
    def test_a_name_is_no_markup(self):
        model = keras.Sequential(
            [keras.Input((4,)), layers.BatchNormalization(name="<b>[red]\x1b[0m")]
        )
        diagnosis = lint.diagnose(model, data()[0])
        assert "<b>[red]\\x1b[0m" in str(diagnosis)
        assert "&lt;b&gt;[red]" in diagnosis._repr_html_()

    def test_has_a_picture(self, lagging, tmp_path):
        from matplotlib.image import imread

        diagnosis = lint.diagnose(lagging, *data())
        diagnosis.save_picture(tmp_path / "a.png")
        assert imread(tmp_path / "a.png").shape[:2] == (520, 1100)
        with pytest.raises(lint.UsageError, match="folder of the picture"):
            diagnosis.save_picture(tmp_path / "none" / "a.png")
        with pytest.raises(lint.UsageError, match="could not be drawn"):
            diagnosis.save_picture(tmp_path / "a.xyz")
        diagnosis.save_picture(tmp_path / "b")
        assert (tmp_path / "b").read_bytes()[:4] == b"\x89PNG"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b"]

    def test_whose_picture_replaces_no_pipe_and_no_link(self, lagging, tmp_path):
        diagnosis = lint.diagnose(lagging, *data())
        pipe, link = tmp_path / "pipe.png", tmp_path / "link.png"
        os.mkfifo(pipe)
        with pytest.raises(lint.UsageError, match="a pipe"):
            diagnosis.save_picture(pipe)
        assert pipe.is_fifo()
        link.symlink_to("real.png")
        (tmp_path / "real.png").touch()
        diagnosis.save_picture(link)
        assert link.is_symlink()
        assert (tmp_path / "real.png").stat().st_size > 0


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn, self.head = layers.BatchNormalization(name="bn"), layers.Dense(1)

    def call(self, x, training=None):
        return self.head(self.bn(x, training=training))


class Own(Net):
    """With a training step of its own, as far as can be seen."""

    def train_step(self, *arguments):
        step = keras.Model.train_step
        return step(self, *arguments)


class Prepared(Net):
    """Whose step only prepares the batch."""

    def train_step(self, *arguments):
        return super().train_step(*arguments)


@pytest.mark.parametrize(
    ("make", "expected"), [(Own, "batch, moves (?)"), (Prepared, "batch, moves")]
)
def test_what_a_step_of_its_own_does_is_not_known(make, expected):
    model = make()
    model.compile("sgd", "mse")
    model.fit(*data(), verbose=0)
    uses = lint.diagnose(model, *data()).modes["bn"]
    assert str(uses["fit"]) == expected
    assert str(uses["predict"]) == "running"


@pytest.mark.parametrize(
    ("momentum", "is_harmed", "helps", "found"),
    [
        (0.1, True, True, True),
        (0.1, True, False, False),
        (0.1, False, True, False),
        (0.8, True, True, False),
    ],
)
def test_small_momentum_of_layers_each_off_by_little(
    momentum, is_harmed, helps, found, monkeypatch
):
    """Their statistics look right one by one, but together they cost much."""
    monkeypatch.setattr(signs, "is_initial", lambda layer: False)
    monkeypatch.setattr(signs, "noise_of_average", lambda layer, momentum: 0)
    layer = SimpleNamespace(
        path="bn",
        momentum=momentum,
        frozen=False,
        data=True,
        is_off=False,
        distance=None,
    )
    evidence = SimpleNamespace(layers=[layer], is_harmed=is_harmed, helps=helps)
    assert bool([*momentum_too_small(evidence)]) is found
