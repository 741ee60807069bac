"""A project that only trains by loops of its own, which pass the flag."""

import pytest

import lint

NET = """\
import tensorflow as tf

class Net(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = tf.keras.layers.BatchNormalization()

    def call(self, x):
        return self.bn(x)
"""
STEP = """\
import tensorflow as tf
import net

MODELS = {"net": net.Net}

def train(name, batches, optimizer):
    model = MODELS[name]()
    for x in batches:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
"""
FIT = "def fit(model, x):\n    model.fit(x, x)\n"


@pytest.mark.parametrize(
    ("others", "severity"),
    [
        ({}, "warning"),
        ({"step.py": STEP}, "info"),
        ({"step.py": STEP.replace("training=True", "mask=None")}, "warning"),
        ({"step.py": STEP, "fit.py": FIT}, "warning"),
    ],
)
def test_a_class_that_a_step_may_train(folder, others, severity):
    for name, text in {"net.py": NET, **others}.items():
        (folder / name).write_text(text)
    found = lint.check("net.py", select=["BN101"], keras_version="3.15")
    assert [finding.severity for finding in found] == [severity]
