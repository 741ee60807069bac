"""Penalties on a critic that is handed in, in projects whose critic holds BN or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lint.subjects.source import Project, penalized_out_of_sight, read_module

if TYPE_CHECKING:
    from pathlib import Path

TRAINER = """\
import tensorflow as tf


class Trainer:
    def __init__(self, critic, real, fake):
        self.critic = critic
        between = real + tf.random_uniform([]) * (fake - real)
        score = self.critic(between)
        slope = tf.gradients(score, between)[0]
        norm = tf.sqrt(tf.reduce_sum(tf.square(slope), axis=1))
        self.penalty = tf.reduce_mean(tf.square(norm - 1.0))
"""
CRITIC = """\
import tensorflow.contrib.layers as layers


class Discriminator:
    def __call__(self, x):
        return layers.batch_norm(layers.fully_connected(x, 8))
"""


@pytest.mark.parametrize(
    ("trainer", "critic", "expected"),
    [
        (TRAINER, CRITIC, [(8, "Discriminator")]),
        (TRAINER, CRITIC.replace("batch_norm", "layer_norm"), []),
        (TRAINER, CRITIC.replace("Discriminator", "Generator"), []),
        (TRAINER.replace("norm - 1.0", "norm"), CRITIC, []),
    ],
)
def test_a_critic_that_is_handed_in(
    trainer: str, critic: str, expected: list[tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "trainer.py").write_text(trainer)
    (tmp_path / "critic.py").write_text(critic)
    module = read_module(tmp_path / "trainer.py", Project(tmp_path))
    found = [(call.lineno, name) for call, name in penalized_out_of_sight(module)]
    assert found == expected
