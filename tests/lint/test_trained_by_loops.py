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

MODELS = vars(net)

def train(name, batches, optimizer):
    model = MODELS[name]()
    for x in batches:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
"""
WRAPPED = """\
import tensorflow as tf
import net

MODELS = vars(net)

class Wrapper(tf.keras.Model):
    def __init__(self, name):
        super().__init__()
        self.model = MODELS[name]()

    def call(self, x):
        return self.model(x)

    def train_step(self, x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self(x, training=True))
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return {"loss": loss}

def train(name, batches):
    wrapper = Wrapper(name)
    wrapper.compile("sgd")
    wrapper.fit(batches)
"""
FRAMEWORK = """\
class Estimator:
    def __init__(self, make):
        self.network = make()

    def fit(self, batches):
        for x in batches:
            self.network(x, training=True)

Estimator(vars(net)["Net"]).fit([1])
"""
GRAPH = """\
import tensorflow as tf

def scores(x):
    graph = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    graph.fit(x, x)
"""
FIT = "def fit(model, x):\n    model.fit(x, x)\n"


@pytest.mark.parametrize(
    ("others", "severity"),
    [
        ({}, "warning"),
        ({"step.py": STEP}, "info"),
        ({"step.py": STEP.replace("training=True", "mask=None")}, "warning"),
        ({"step.py": STEP, "fit.py": FIT}, "info"),
        ({"step.py": STEP, "fit.py": FIT, "run.py": "import fit, net"}, "warning"),
        ({"step.py": STEP, "fit.py": "import net\n" + FIT}, "warning"),
        ({"step.py": STEP, "fit.py": "import net\n" + GRAPH}, "info"),
        ({"wrapped.py": WRAPPED}, "info"),
        ({"wrapped.py": WRAPPED.replace("=True", "=None")}, "warning"),
        ({"wrapped.py": WRAPPED + GRAPH}, "info"),
        ({"run.py": "import net\n" + FRAMEWORK}, "info"),
        ({"run.py": "import net\n" + FRAMEWORK + GRAPH}, "warning"),
        ({"run.py": "import net\n" + FRAMEWORK + FIT}, "warning"),
        # A script beside it, and another that fits a network of its own.
        (
            {
                "step.py": STEP.replace("import net\n", "import other as net\n"),
                "fit.py": GRAPH,
            },
            "warning",
        ),
    ],
)
def test_a_class_that_a_step_may_train(folder, others, severity):
    for name, text in {"net.py": NET, **others}.items():
        (folder / name).write_text(text)
    found = lint.check("net.py", select=["BN101"], keras_version="3.15")
    assert [finding.severity for finding in found] == [severity]
