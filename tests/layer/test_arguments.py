"""What the arguments may be, and how they are written back."""

import keras
import numpy as np
import pytest

from kerasbn import BatchNormalization
from kerasbn.renorm import stock_arguments

from .helpers import call


@pytest.mark.parametrize(
    "axis",
    [True, False, 2.7, 1.0, "1", None, [], (), [1, 1], [1, True], [1, 2.0], [[1]], {1}],
    ids=str,
)
def test_axis_must_be_distinct_ints(axis):
    with pytest.raises(ValueError, match=r"`axis` must be .*Received: axis="):
        BatchNormalization(axis)


@pytest.mark.parametrize("axis", [4, -5, [1, 4], [1, -3], [3, -1]], ids=str)
def test_axis_must_fit_the_input(axis):
    layer = BatchNormalization(axis)
    with pytest.raises(ValueError, match=r"distinct axes .*from -4 to 3.*Received: "):
        layer.build((None, 4, 4, 3))


def test_kept_axes_must_have_static_size():
    with pytest.raises(ValueError, match=r"static size.*Received: axis=\[1, 2\]"):
        BatchNormalization([1, 2])(keras.Input((None, 4)))


@pytest.mark.parametrize("name", ["momentum", "renorm_momentum"])
@pytest.mark.parametrize(
    "value", [1.5, -0.1, 1, True, "0.9", float("nan"), [0.9]], ids=str
)
def test_momentum_must_be_in_its_range(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must .*Received: {name}="):
        BatchNormalization(**{"renorm": True, name: value})


@pytest.mark.parametrize("value", [0, -1e-3, float("inf"), None, True, "1e-3"], ids=str)
def test_epsilon_must_be_positive(value):
    with pytest.raises(ValueError, match=r"`epsilon` must .*Received: epsilon="):
        BatchNormalization(epsilon=value)


def test_zero_debias_must_be_a_bool():
    with pytest.raises(ValueError, match=r"`zero_debias` must .*Received: "):
        BatchNormalization(zero_debias="no")


def test_renorm_needs_a_keras_that_knows_it(monkeypatch):
    def older_init(self, axis=-1, synchronized=False):
        raise AssertionError

    monkeypatch.setattr(keras.layers.BatchNormalization, "__init__", older_init)
    assert stock_arguments(False, None, 0.99) == {}
    with pytest.raises(
        ValueError, match=r"install a newer one\. Received: renorm=True"
    ):
        stock_arguments(True, None, 0.99)


def test_new_arguments_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        BatchNormalization(*[-1, 0.9, 1e-3, True, True], *["zeros"] * 12, True)


@pytest.mark.parametrize(
    ("axis", "written"),
    [
        (-1, -1),
        (np.int64(1), 1),
        ([2, 1], [2, 1]),
        ((-3, -2), [-3, -2]),
        ([3], 3),  # As tf.keras wrote it; stock reads the int.
    ],
    ids=str,
)
def test_axis_is_written_in_plain_ints(axis, written):
    layer = BatchNormalization(axis)
    config = layer.get_config()
    assert config["axis"] == written == layer.axis
    assert type(config["axis"]) is type(written)
    assert BatchNormalization.from_config(config).get_config() == config


@pytest.mark.parametrize(
    "options",
    [{"zero_debias": True}, {"momentum": None}, {"axis": [1, 2], "center": False}],
    ids=str,
)
def test_new_options_survive_the_configuration(options):
    config = BatchNormalization(**options).get_config()
    assert {key: config[key] for key in options} == options
    assert BatchNormalization.from_config(config).get_config() == config


@pytest.mark.parametrize("axis", [[2, 1], (-1, 1), [1, 2]], ids=str)
def test_weights_are_in_ascending_order_of_axes(axis):
    layer = BatchNormalization(axis)
    call(layer, np.ones((2, 5, 4), "float32"))
    assert layer.moving_mean.shape == (5, 4)
