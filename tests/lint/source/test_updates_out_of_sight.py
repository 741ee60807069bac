"""Training ops for losses that are handed in, in projects with and without updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lint.subjects.source import Project, read_module, updates_out_of_sight

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
