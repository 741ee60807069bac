"""BN102 on JAX and PyTorch: without `training=True` the statistics do not move."""

from __future__ import annotations

from pathlib import Path

import pytest

from lint.rules import rule_by_code
from lint.subjects.source import Project, module_from_bytes

BEGIN = """
import os
os.environ["KERAS_BACKEND"] = "{backend}"
import {backend}
import keras
import numpy as np

keras.utils.set_random_seed(0)
layers = [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
model = keras.Sequential(layers)
x = np.random.default_rng(0).normal(5, 2, size=(32, 4)).astype("float32")
"""
JAX = """
optimizer = keras.optimizers.SGD(0.01)
optimizer.build(model.trainable_variables)

def compute_loss(trainable, non_trainable):
    y, non_trainable = model.stateless_call(trainable, non_trainable, x{flag})
    return (y**2).mean(), non_trainable

trainable = [each.value for each in model.trainable_variables]
non_trainable = [each.value for each in model.non_trainable_variables]
gradients_of = jax.value_and_grad(compute_loss, has_aux=True)
(_, non_trainable), gradients = gradients_of(trainable, non_trainable)
state = [each.value for each in optimizer.variables]
optimizer.stateless_apply(state, gradients, trainable)
print("moved", bool(abs(non_trainable[0]).max() > 0))
"""
TORCH = """
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
model.train()
loss = (model(torch.tensor(x){flag}) ** 2).mean()
loss.backward()
optimizer.step()
print("moved", bool(model.layers[0].moving_mean.value.abs().max() > 0))
"""


@pytest.mark.long
@pytest.mark.parametrize(("backend", "step"), [("jax", JAX), ("torch", TORCH)])
def test_training_step(backend, step, subprocess_python) -> None:
    pytest.importorskip(backend)
    begin = BEGIN.format(backend=backend)
    without, with_flag = step.format(flag=""), step.format(flag=", training=True")
    assert is_found(begin + without)
    assert not is_found(begin + with_flag)
    done = subprocess_python(begin + without + with_flag)
    assert "moved False\nmoved True" in done.out, done.err


def is_found(text: str) -> bool:
    module = module_from_bytes(text.encode(), Path("a.py"), Project(Path("none")))
    return any(rule_by_code("BN102").check_source(module))
