"""Prove on several versions of Keras what lint/semantics.py and the rules say.

Usage: `python tests/lint/every_keras.py PYTHON...`, each the interpreter of an
environment with one version of Keras, with TensorFlow or else JAX, and with `:tf_keras`
behind it where that is the library, as in `old/bin/python:tf_keras`. What is said of
JAX needs JAX there, too. It prints which
meanings of `lint.semantics` hold in which version, marks with `!` what the table there
says otherwise, and prints which rules' proofs show the harm. It exits with 1 where the
table is wrong. One version takes about a minute. The rules about TensorFlow 1 are
proven where tf_keras is, whose layers it needs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import NamedTuple

from lint import semantics
from lint.rules import all_rules, rule_by_code
from lint.semantics import Meaning, parse_version

BEGIN = """
import keras
import numpy as np

keras.utils.set_random_seed(0)
layers = keras.layers
x = np.random.default_rng(0).normal(5, 2, size=(32, 4)).astype("float32")
images = np.random.default_rng(0).normal(5, 2, size=(4, 8, 8, 3)).astype("float32")
bn = layers.BatchNormalization()


def moved():
    return bool(np.abs(keras.ops.convert_to_numpy(bn.moving_mean)).max() > 0)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = bn
        self.drop = layers.Dropout(0.5)


def fit(model):
    model.compile("sgd", "mean_squared_error")
    model.fit(x, x, verbose=0)
"""

# Each leaves `holds` behind; those in `BACKENDS` need that one. A model is called with
# training=True rather than fitted where that is enough: on JAX, `fit` does not go
# through `__call__`.
PROOFS = {
    semantics.CALL_NEEDS_TRAINING: """
class Lacking(Net):
    def call(self, x):
        return self.bn(x)

fit(Lacking())
holds = not moved()
""",
    semantics.NONE_IS_INFERENCE: """
class Handing(Net):
    def call(self, x, training=None):
        return self.bn(x, training=None)

Handing()(x, training=True)
holds = not moved()
""",
    semantics.FLAG_LEAKS: """
class Leaking(Net):
    def call(self, x, training=None):
        return self.bn(self.drop(x, training=False))

Leaking()(x, training=True)
holds = not moved()
""",
    semantics.FUNCTIONAL_FLAG_IS_OVERRIDDEN: """
inputs = keras.Input((4,))
fit(keras.Model(inputs, bn(inputs, training=False)))
holds = moved()
""",
    semantics.AUGMENTATION_LEAKS: """
keras.Sequential([keras.Input((8, 8, 3)), layers.RandomFlip(), bn])(images)
holds = moved()
""",
    semantics.RESIZING_LEAKS: """
keras.Sequential([keras.Input((8, 8, 3)), layers.Resizing(4, 4), bn])(images)
holds = moved()
""",
    semantics.FIT_ON_JAX_BYPASSES_CALLING: """
class Inheriting(Net):
    def call(self, x, training=None):
        return self.bn(x)

fit(Inheriting())
holds = not moved()
""",
    semantics.FREEZING_NEEDS_COMPILE: """
model = keras.Sequential([keras.Input((4,)), bn, layers.Dense(4)])
model.compile("sgd", "mean_squared_error")
bn.trainable = False
model.fit(x, x, verbose=0)
holds = moved()
""",
    # It warns that there is nothing to train.
    semantics.FREEZING_PRECEDES_TRAINING: """
import warnings

discriminator = keras.Sequential([keras.Input((4,)), bn, layers.Dense(4)])
discriminator.compile("sgd", "mean_squared_error")
discriminator.trainable = False
combined = keras.Sequential([keras.Input((4,)), layers.Dense(4), discriminator])
combined.compile("sgd", "mean_squared_error")
before = discriminator.get_weights()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    discriminator.train_on_batch(x, x)
    combined.train_on_batch(x, x)
after = discriminator.get_weights()
holds = all(np.array_equal(*each) for each in zip(before, after))
""",
}

BACKENDS = {semantics.FIT_ON_JAX_BYPASSES_CALLING: "jax"}

TENSORFLOW_1 = """
data = np.random.default_rng(0).normal(5, 2, size=(32, 4))
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    {run}
"""
# By rule: what shows after its example whether all is well.
PROOFS_IN_TENSORFLOW_1 = {
    "BN301": """session.run(train_op, {x: data, is_training: True})
    (mean,) = [each for each in tf.global_variables() if "moving_mean" in each.name]
    healthy = abs(session.run(mean)).max() > 0""",
    "BN302": """outputs = session.run(y, {x: data, is_training: True})
    healthy = abs(outputs.mean()) < 0.1""",
    "BN303": """import tempfile
    saved = tf.train.NewCheckpointReader(save(session, tempfile.mkdtemp() + "/saved"))
    names = saved.get_variable_to_shape_map()
    healthy = any("moving_mean" in each for each in names)""",
    "BN304": """alone = evaluate(session, data[:1])
    healthy = np.allclose(alone, evaluate(session, data)[:1], atol=1e-3)""",
    "BN118": """alone = classify(data[:1])
    healthy = np.allclose(alone, classify(data)[:1], atol=1e-3)""",
}

# Runs the texts that it is given, each on its own. Nothing of this project is needed:
# it may not support that Keras, and `recalibrate` is then a function of a few lines.
INSIDE = """
import json, os, sys
from importlib.util import find_spec

name, backend, texts = json.load(sys.stdin)
if backend or find_spec("tensorflow") is None:
    os.environ["KERAS_BACKEND"] = backend or "jax"
if name != "keras":
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
keras = __import__(name)
if name == "tensorflow":
    sys.modules["tensorflow"] = keras.compat.v1
    keras.compat.v1.disable_v2_behavior()
    sys.modules["keras"] = __import__("tf_keras")
if name == "tf_keras":
    from types import SimpleNamespace
    sys.modules["keras"] = keras
    keras.ops = SimpleNamespace(convert_to_numpy=lambda value: value.numpy())


def recalibrate(model, x):
    norms = [each for each in model.layers if hasattr(each, "moving_mean")]
    momenta = [each.momentum for each in norms]
    for each in norms:
        each.momentum = 0.0
    model(x, training=True)
    for each, momentum in zip(norms, momenta):
        each.momentum = momentum


if find_spec("kerasbn") is None:
    from types import ModuleType
    sys.modules["kerasbn"] = ModuleType("kerasbn")
    sys.modules["kerasbn"].recalibrate = recalibrate
results = []
for text, wanted in texts:
    space = {"__name__": "example"}
    try:
        exec(text, space)
        results.append(bool(space[wanted]))
    except Exception as error:
        results.append(type(error).__name__)
print(json.dumps([keras.__version__, results]))
"""


class Outcome(NamedTuple):
    """What each text left behind in one version: True, False, or an error's name."""

    library: str
    version: tuple[int, ...]
    results: list[bool | str]


class Proof(NamedTuple):
    """A text, the name under which it leaves a result, and the backend it needs."""

    text: str
    wanted: str
    backend: str | None = None


def run(environment: str, proofs: list[Proof]) -> Outcome:
    """Run texts in another environment, those that need one backend together."""
    results: dict[Proof, bool | str] = {}
    for backend in dict.fromkeys(proof.backend for proof in proofs):
        some = [proof for proof in proofs if proof.backend == backend]
        outcome = _run_on(environment, backend, some)
        results |= zip(some, outcome.results, strict=True)
    return outcome._replace(results=[results[proof] for proof in proofs])


def _run_on(environment: str, backend: str | None, proofs: list[Proof]) -> Outcome:
    python, _, name = environment.partition(":")
    name = name or "keras"
    done = subprocess.run(
        [python, "-I", "-c", INSIDE],
        input=json.dumps([name, backend, [proof[:2] for proof in proofs]]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{environment} failed:\n{done.stderr[-2000:]}")
    version, results = json.loads(done.stdout.splitlines()[-1])
    return Outcome(f"{name} {version}", parse_version(version) or (), results)


def rows_of_meanings(outcomes: list[Outcome]) -> tuple[list[list[str]], bool]:
    """The table of the meanings, and whether lint/semantics.py agrees."""
    rows, agrees = [], True
    for number, meaning in enumerate(PROOFS):
        row = []
        for outcome in outcomes:
            found = outcome.results[number]
            right = found is meaning.applies_to(outcome.version)
            agrees = agrees and right
            row.append(_word(found, "holds", "no") + ("" if right else " !"))
        rows.append([_span(meaning), *row, meaning.fact])
    return rows, agrees


def _span(meaning: Meaning) -> str:
    first, end = (
        "" if version is None else ".".join(map(str, version))
        for version in (meaning.first, meaning.end)
    )
    return f"{first} to {end}" if end else f"from {first}"


def _word(found: bool | str, yes: str, no: str) -> str:
    return found if isinstance(found, str) else yes if found else no


def rows_of_rules(outcomes: list[Outcome], codes: list[str]) -> list[list[str]]:
    """What the proof of each rule shows: harm in bad, none in good."""
    pairs = [outcome.results[len(PROOFS) :] for outcome in outcomes]
    return [
        [code, *(_shown(*pair[2 * number : 2 * number + 2]) for pair in pairs)]
        for number, code in enumerate(codes)
    ]


def in_tensorflow_1(python: str) -> None:
    """Print what the rules about TensorFlow 1 show in an environment with tf_keras."""
    texts = []
    for code, proof in PROOFS_IN_TENSORFLOW_1.items():
        rule = rule_by_code(code)
        begin = (
            "import numpy as np\nimport tensorflow as tf\ntf.reset_default_graph()\n"
        )
        end = TENSORFLOW_1.replace("{run}", proof)
        texts += [
            Proof(begin + example + end, "healthy") for example in (rule.bad, rule.good)
        ]
    outcome = run(f"{python}:tensorflow", texts)
    pairs = zip(outcome.results[::2], outcome.results[1::2], strict=True)
    rows = [
        [code, _shown(*pair)]
        for code, pair in zip(PROOFS_IN_TENSORFLOW_1, pairs, strict=True)
    ]
    print()
    print_table(["rule", outcome.library], rows)


def _shown(bad: bool | str, good: bool | str) -> str:
    if isinstance(bad, str) or isinstance(good, str):
        return bad if isinstance(bad, str) else str(good)
    return {(False, True): "harm", (True, True): "no harm"}.get(
        (bad, good), "unhealthy"
    )


def print_table(head: list[str], rows: list[list[str]]) -> None:
    """Print columns as wide as what they hold."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def main(environments: list[str]) -> int:
    """Run everything in each environment and print both tables."""
    if not environments:
        sys.exit(__doc__)
    assert set(PROOFS) == set(semantics.MEANINGS)
    proven = [
        rule
        for rule in all_rules()
        if rule.proof is not None and "kerasbn" not in rule.proof
    ]
    texts = [
        Proof(BEGIN + proof, "holds", BACKENDS.get(meaning))
        for meaning, proof in PROOFS.items()
    ]
    for rule in proven:
        texts += [
            Proof(f"{text}\n{rule.proof}", "healthy", rule.backend)
            for text in (rule.bad, rule.good)
        ]
    outcomes = [run(each, texts) for each in environments]
    versions = [outcome.library for outcome in outcomes]
    rows, agrees = rows_of_meanings(outcomes)
    print_table(["lint/semantics.py", *versions, ""], rows)
    print()
    codes = [rule.code for rule in proven]
    print_table(["rule", *versions], rows_of_rules(outcomes, codes))
    for environment in environments:
        if environment.endswith(":tf_keras"):
            in_tensorflow_1(environment.partition(":")[0])
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
