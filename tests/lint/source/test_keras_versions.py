"""Which Keras a source is for: by argument, imports, project, else assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lint.semantics import (
    FUNCTIONAL_FLAG_IS_OVERRIDDEN,
    KerasVersion,
    keras_of_model,
    parse_version,
)
from lint.subjects.source import Project, read_module
from lint.subjects.source.reading.keras_versions import (
    backend_of,
    keras_for,
    keras_of_source,
)
from lint.subjects.source.reading.requirements import Requirements, read_requirements

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = Requirements()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("import tf_keras", (2,)),
        ("from tf_keras import layers", (2,)),
        ("os.environ['TF_USE_LEGACY_KERAS'] = '1'", (2,)),
        ('os.environ.setdefault("TF_USE_LEGACY_KERAS", "True")', (2,)),
        ("x = tf.contrib.layers.batch_norm(x)", (2,)),
        ("import tensorflow.contrib.slim as slim", (2,)),
        ("x = tf.layers.dense(x, 3)", (2,)),
        ("x = tf.compat.v1.layers.dense(x, 3)", (2,)),
        ("x = tf.placeholder(tf.float32)", (2,)),
        ("from keras.layers.normalization import BatchNormalization", (2,)),
        ("K.set_learning_phase(1)", (2,)),
        ("model.fit_generator(data)", (2,)),
        ("optimizer = keras.optimizers.Adam(lr=1e-3)", (2,)),
        ("x = tf.keras.layers.experimental.preprocessing.Resizing(8, 8)", (2,)),
        ("x = layers.experimental.preprocessing.Resizing(8, 8)(x)", (2,)),
        ("from tensorflow.python.keras import layers", (2,)),
        ("import tensorflow_addons as tfa", (2,)),
        ("import tensorflow.compat.v1 as tf", (2,)),
        ("import tensorflow_model_optimization as tfmot", (2,)),
        ("spec = tf.estimator.EstimatorSpec(mode)", (2,)),
        ("optimizer = tf.train.AdamOptimizer(0.1)", (2,)),
        ("optimizer = SGD(momentum=0.9, lr=0.1)", (2,)),
        ("optimizer = Adam(learning_rate=0.1, decay=1e-6)", (2,)),
        ("x = layers.CuDNNLSTM(8)(x)", (2,)),
        ("inside = K.function([model.input], [x])", (2,)),
        ("model.fit(x, y, nb_epoch=3)", (2,)),
        ("model.save_weights('weights.h5')", (2,)),
        ("self.generator.save_weights(os.path.join(folder, 'g.h5'))", (2,)),
        ("save = ModelCheckpoint('best.ckpt', save_weights_only=True)", (2,)),
        ("save = ModelCheckpoint('best.h5', 'loss', save_weights_only=True)", (2,)),
        ("save = ModelCheckpoint(filepath='{epoch:02d}.hdf5')", (2,)),
        (
            "path = 'best.ckpt'\nsave = keras.callbacks.ModelCheckpoint(\n"
            "    filepath=path,\n    save_weights_only=True)",
            (2,),
        ),
        ("model.load_weights(tf.train.latest_checkpoint(folder))", (2,)),
        ("train_loss.reset_states()", (2,)),
        ("self.loss_metric.reset_states()", (2,)),
        ("x = keras.ops.relu(x)", (3,)),
        ("from keras import ops", (3,)),
        ("from keras import layers, ops", (3,)),
        ("os.environ['KERAS_BACKEND'] = 'jax'", (3,)),
        ("import kerasbn", (3,)),
        ("import keras_core as keras", (3,)),
    ],
)
def test_imports_tell(text: str, version: tuple[int, ...]) -> None:
    assert keras_of_source(None, f"import os\n{text}\n", NOTHING) == KerasVersion(
        version
    )


@pytest.mark.parametrize(
    "text",
    [
        "import keras",
        "from tensorflow import keras",
        "x = tf.keras.layers.Dense(3)",
        "self.layers.append(x)",
        "optimizer = torch.optim.SGD(parameters, lr=0.1)",
        "optimizer = torch.optim.SGD(params=model.parameters(), lr=0.1)",
        "nb_epoch = 3",
        "y = tfp.layers.DenseFlipout(3)",
        "model.save_weights('best.weights.h5')",
        "model.save_weights('best' + ending)",
        "agent.save_weights('best.h5')",
        "model.load_weights('best.h5')",
        "save = ModelCheckpoint('best.weights.h5', save_weights_only=True)",
        "save = ModelCheckpoint('best.h5')",
        "save = ModelCheckpoint('best.h5', save_weights_only=False)",
        "path = 'best.h5'\nsave = ModelCheckpoint(path, save_best_only=True)",
        "path = 'data.ckpt'\nsave = ModelCheckpoint(other, save_weights_only=True)",
        "model.lstm.reset_states()",
        "train_loss.reset_state()",
        "model.save_weights(path)  # or model.save_weights('best.h5')",
        "train_loss.reset_state()  # train_loss.reset_states()",
    ],
)
def test_nothing_tells(text: str) -> None:
    keras = keras_of_source(None, text, NOTHING)
    assert keras.assumed
    assert keras.version[0] == 3
    assert "--keras-version" in keras.caveat


def test_order() -> None:
    legacy, asked = "import tf_keras", Requirements((3, 4))
    assert keras_of_source("3.16", legacy, asked) == KerasVersion((3, 16))
    assert keras_of_source(None, legacy, asked) == KerasVersion((2,))
    assert keras_of_source(None, "", asked) == KerasVersion((3, 4))
    assert keras_of_source(None, "keras.ops", asked) == KerasVersion((3, 4))
    assert keras_of_source(None, "loss.reset_states()", asked) == KerasVersion((3, 4))
    assert keras_of_source(None, "keras.ops", Requirements((2, 15))) == KerasVersion(
        (3,)
    )


@pytest.mark.parametrize(
    ("version", "overridden"),
    [("2.15", False), ("3.0", True), ("3", True), ("3.15.1", True), ("3.16", False)],
)
def test_when_a_functional_flag_is_overridden(version: str, overridden: bool) -> None:
    keras = keras_of_model(version)
    assert keras.has(FUNCTIONAL_FLAG_IS_OVERRIDDEN) is overridden


def test_model_without_a_version() -> None:
    assert keras_of_model(None).assumed


@pytest.mark.parametrize(
    ("text", "version"),
    [("3", (3,)), ("3.4.1", (3, 4)), ("v2.15", (2, 15)), ("", None), ("new", None)],
)
def test_parse_version(text: str, version: tuple[int, ...] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("requirements.txt", "keras==3.4.1\n", (3, 4)),
        ("requirements.txt", "numpy\nkeras>=3\n", (3,)),
        ("requirements-dev.txt", "tensorflow==2.8.0\n", (2,)),
        ("requirements.txt", "tensorflow[and-cuda]>=2.16\n", (3,)),
        ("requirements.txt", "tensorflow<2.16\n", (2,)),
        ("requirements.txt", "tensorflow-gpu==1.15\n", (2,)),
        ("requirements.txt", "tensorflow>=2.0\n", None),
        ("requirements.txt", "tensorflow\nkeras\n", None),
        ("requirements.txt", "keras-tuner==1.4\ntensorflow-hub==0.1\n", None),
        ("requirements.txt", "keras==2.9\ntensorflow>=2.16\n", None),
        ("requirements.txt", "tensorflow>=2.4,<2.11\n", (2,)),
        ("requirements.txt", "tensorflow>=2.4,<3\n", None),
        ("requirements.txt", "tensorflow==2.3.0\nkeras==2.4.3\n", (2,)),
        ("requirements.txt", "tensorflow_gpu==2.3.0\n", (2,)),
        ("requirements.txt", "tensorflow>=2.2\ntensorflow-addons\n", (2,)),
        ("environment.yml", "dependencies:\n  - tensorflow=2.3.0\n", (2,)),
        ("environment.yml", "  - tensorflow-gpu=2.1=mkl_py37h80a91df_0\n", (2,)),
        ("environment.yml", "  - tensorflow\n", None),
        ("Pipfile", '[packages]\ntensorflow = "==2.1.0"\n', (2,)),
        ("Dockerfile", "FROM tensorflow/tensorflow:2.4.1-gpu\n", (2,)),
        ("Dockerfile", "FROM tensorflow/tensorflow:latest\n", None),
        ("setup.py", "install_requires=['keras>=3.0', 'numpy']\n", (3,)),
        ("setup.cfg", "install_requires =\n    keras<3\n", (2,)),
        ("pyproject.toml", '[project]\ndependencies = ["keras>=3.3"]\n', (3,)),
        ("pyproject.toml", '[tool.poetry.dependencies]\nkeras = "^3.1"\n', (3,)),
        ("pyproject.toml", "[not toml", None),
        ("pyproject.toml", 'project = "odd"\ntool = 3\n', None),
        ("uv.lock", '[[package]]\nname = "keras"\nversion = "3.7.0"\n', (3, 7)),
        ("poetry.lock", '[[package]]\nname = "keras"\nversion = "2.14.0"\n', (2, 14)),
        ("uv.lock", '[[package]]\nname = "keras-tuner"\nversion = "1.0"\n', None),
    ],
)
def test_requirements(
    name: str, text: str, version: tuple[int, ...] | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    assert read_requirements(tmp_path) == Requirements(version)


@pytest.mark.parametrize(
    ("others", "version"),
    [
        (["import tensorflow_addons as tfa"], (2,)),
        (["# import tensorflow_addons as tfa"], None),
        (["import keras\nmodel.fit_generator(data)"], (2,)),
        (["import keras\ndef fit_generator(): ...\na.fit_generator(data)"], None),
        (["import tensorflow as tf\ntf.keras.optimizers.SGD(lr=0.1)"], (2,)),
        (["from keras.optimizers import Adam\nAdam(beta_1=0.5, lr=0.1)"], (2,)),
        (["from torch.optim import Adam\nimport keras\nAdam(lr=0.1)"], None),
        (["from tensorflow.python.keras import layers"], (2,)),
        (["from keras import backend as K\nx = K.mean(x)"], (2,)),
        (["from tensorflow.keras import backend as K\nx = K.mean(x)"], None),
        (["import tensorflow_addons", "from keras import ops"], None),
        (["import keras\nmodel.save_weights('weights.h5')"], (2,)),
        (["import keras\nclass A:\n  def save_weights(self, p): ..."], None),
    ],
)
def test_other_files_tell(
    others: list[str], version: tuple[int, ...] | None, tmp_path: Path
) -> None:
    for number, text in enumerate(others):
        (tmp_path / f"other{number}.py").write_text(f"{text}\n")
    (tmp_path / "here.py").write_text("from tensorflow import keras\n")
    keras = keras_for(read_module(tmp_path / "here.py", Project(tmp_path)))
    assert (None if keras.assumed else keras.version) == version


@pytest.mark.parametrize(
    ("text", "backend"),
    [
        ("os.environ['KERAS_BACKEND'] = 'jax'", "jax"),
        ('os.environ.setdefault("KERAS_BACKEND", "jax")', "jax"),
        ('keras.config.set_backend("torch")', "torch"),
        ("import jax.numpy as jnp", "jax"),
        ("from jax import numpy as jnp", "jax"),
        ("import jax\nimport tensorflow as tf", None),
        ("import jax\nfrom torch import nn", None),
        ('import jax\nos.environ["KERAS_BACKEND"] = "tensorflow"', "tensorflow"),
        ('# os.environ["KERAS_BACKEND"] = "jax"', None),
        ('os.environ["KERAS_BACKEND"] = "jax"  # or "torch"', "jax"),
        ('a["KERAS_BACKEND"] = "jax"\na["KERAS_BACKEND"] = "torch"', None),
        ('os.environ["KERAS_BACKEND"] = backend', None),
        ("import keras", None),
    ],
)
def test_backend(text: str, backend: str | None) -> None:
    assert backend_of(f"import os\n{text}\n") == backend
