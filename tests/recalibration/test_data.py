"""Every kind of data that `fit` takes."""

import keras
import numpy as np
import pytest

import kerasbn

from .models import check, samples, single, state

X, Y = samples(), np.zeros(90)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(30 * index, 30 * (index + 1))
        return X[part], Y[part]


class Endless(keras.utils.PyDataset):
    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        return X[30 * index % 90 :][:30]


def tf_dataset():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(32)


def torch_loader():
    data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")
    return data.DataLoader(data.TensorDataset(torch.tensor(X), torch.tensor(Y)), 32)


DATA = {
    "array": lambda: X,
    "float64": lambda: X.astype("float64"),
    "tensor": lambda: keras.ops.convert_to_tensor(X),
    "generator": lambda: (part for part in np.split(X, 3)),
    "weighted": lambda: ((p, None, np.zeros(30)) for p in np.split(X, 3)),
    "list of targets": lambda: [(p, np.zeros(30)) for p in np.split(X, 3)].__iter__(),
    "PyDataset": lambda: Batches(),
    "tf.data": tf_dataset,
    "tf.data x": lambda: tf_dataset().map(lambda x, y: x),
    "DataLoader": torch_loader,
}


def recalibrate(data, **kwargs):
    model = single(keras.layers.BatchNormalization())
    (moved,) = kerasbn.recalibrate(model, data, verbose=0, **kwargs)
    return model.layers[0], moved


@pytest.mark.every_backend
@pytest.mark.parametrize("kind", DATA)
def test_kinds_of_data(kind):
    bn, moved = recalibrate(DATA[kind]())
    check(bn, X)
    assert moved.samples == 90


def test_several_inputs_by_name():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    left, right = (keras.layers.BatchNormalization() for _ in range(2))
    model = keras.Model({"a": a, "b": b}, [left(a), right(b)])
    kerasbn.recalibrate(model, {"a": X, "b": X[:, :2] + 1}, verbose=0)
    check(left, X)
    check(right, X[:, :2] + 1)


@pytest.mark.parametrize(
    "data",
    [
        lambda: X,
        lambda: np.split(X, 3).__iter__(),
        lambda: Batches(),
        lambda: Endless(),
        lambda: tf_dataset().unbatch().batch(30).repeat(),
    ],
)
def test_steps_end_the_data(data):
    bn, moved = recalibrate(data(), steps=2, batch_size=30)
    check(bn, X[:60])
    assert moved.samples == 60


def test_fewer_batches_than_steps(capsys):
    model = single(keras.layers.BatchNormalization())
    kerasbn.recalibrate(model, iter(np.split(X, 3)), steps=9)
    check(model.layers[0], X)
    assert "3/9" in capsys.readouterr().out


@pytest.mark.parametrize("endless", [lambda: Endless(), lambda: tf_dataset().repeat()])
def test_endless_data_need_steps(endless):
    with pytest.raises(ValueError, match=r"never end.*Received: .*steps=None"):
        recalibrate(endless())


@pytest.mark.parametrize("empty", [lambda: X[:0], lambda: iter([])])
def test_empty_data_change_nothing(empty):
    model = single(keras.layers.BatchNormalization())
    before = state(model)
    with pytest.raises(ValueError, match="Received: no batch"):
        kerasbn.recalibrate(model, empty(), verbose=0)
    assert all(map(np.array_equal, before, state(model)))


def test_an_empty_batch_among_others():
    bn, moved = recalibrate(iter([X[:50], X[:0], X[50:]]))
    check(bn, X)
    assert moved.samples == 90


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (7, TypeError, "Received: data of type int"),
        ([X, X[:3]], ValueError, r"Received: arrays of \[3, 90\]"),
    ],
)
def test_data_that_do_not_fit(data, error, message):
    with pytest.raises(error, match=message):
        recalibrate(data)


@pytest.mark.parametrize("argument", ["steps", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_numbers_that_do_not_fit(argument, value):
    with pytest.raises(ValueError, match=rf"`{argument}` must.*Received: {argument}="):
        recalibrate(X, **{argument: value})
