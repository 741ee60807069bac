"""Training ops for losses that are handed in, in projects with and without updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lint.subjects.source import (
    Project,
    layers_out_of_sight,
    leaves_updates_in_layers,
    read_module,
    updates_out_of_sight,
)

if TYPE_CHECKING:
    from pathlib import Path

OPTIMIZING = """\
import tensorflow as tf


def optimize(loss, rate):
    return tf.train.AdamOptimizer(rate).minimize(loss)


def clip(total_loss, rate):
    optimizer = tf.train.AdamOptimizer(rate)
    pairs = optimizer.compute_gradients(total_loss)
    return optimizer.apply_gradients(pairs)


def fit_bias(rate):
    bias = tf.Variable(0.0)
    return tf.train.AdamOptimizer(rate).minimize(bias**2)
"""
LAYERS = """\
import tensorflow as tf


class Normalized:
    def __call__(self, x, is_training):
        return tf.layers.batch_normalization(x, training=is_training)
"""


def lines(root: Path, **files: str) -> list[int]:
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)
    module = read_module(root / "optimizing.py", Project(root))
    return [op.lineno for op in updates_out_of_sight(module)]


def test_nothing_runs_the_updates(tmp_path: Path) -> None:
    assert lines(tmp_path, optimizing=OPTIMIZING, layers=LAYERS) == [5, 11]


@pytest.mark.parametrize(
    "layers",
    [
        LAYERS.replace("training=is_training", "training=True"),
        LAYERS.replace("tf.layers.batch_normalization", "tf.layers.dropout"),
        LAYERS + "\n\nupdates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)\n",
        "# tf.layers.batch_normalization(x, training=is_training)\n",
    ],
)
def test_one_phase_no_layers_or_updates(layers: str, tmp_path: Path) -> None:
    assert not lines(tmp_path, optimizing=OPTIMIZING, layers=layers)


WRAPPER = """\
import tensorflow.keras.layers as layers


class Normalized:
    def __call__(self, x, training):
        return layers.BatchNormalization(fused=True)(x, training)
"""
COLLECTING = """\
import tensorflow as tf


def optimize(optimizer, loss):
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        return optimizer.minimize(loss)
"""


def wrapped(root: Path, collecting: str, wrapper: str = WRAPPER) -> list[int]:
    (root / "collecting.py").write_text(collecting)
    (root / "layers.py").write_text(wrapper)
    module = read_module(root / "layers.py", Project(root))
    return [layer.lineno for layer in layers_out_of_sight(module)]


def test_layers_of_keras_are_in_no_collection(tmp_path: Path) -> None:
    assert wrapped(tmp_path, COLLECTING) == [6]


@pytest.mark.parametrize(
    ("collecting", "wrapper"),
    [
        ("import tensorflow as tf\n", WRAPPER),
        (COLLECTING + "\n\ndef add(layer):\n    return layer.updates\n", WRAPPER),
        (COLLECTING, WRAPPER.replace("(x, training)", "(x, True)")),
        (COLLECTING, WRAPPER.replace("(x, training)", "(x)")),
    ],
)
def test_layers_whose_updates_may_run(
    collecting: str, wrapper: str, tmp_path: Path
) -> None:
    assert not wrapped(tmp_path, collecting, wrapper)


ESTIMATOR = """\
import tensorflow as tf


class Net(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.norm = tf.keras.layers.BatchNormalization()

    def call(self, x, training=None):
        return self.norm(x, training=training)


def model_fn(features, labels, mode):
    loss = tf.reduce_mean(Net()(features, training=mode == "train"))
    return tf.train.AdamOptimizer().minimize(loss)
"""


@pytest.mark.parametrize(
    ("layer", "expected"), [("tf.keras.layers", True), ("tf.layers", False)]
)
def test_layers_of_tf_layers_collect_their_updates(
    layer: str, expected: bool, tmp_path: Path
) -> None:
    path = tmp_path / "model.py"
    path.write_text(ESTIMATOR.replace("= tf.keras.layers", f"= {layer}"))
    module = read_module(path, Project(tmp_path), keras_version="2")
    assert leaves_updates_in_layers(module) is expected
