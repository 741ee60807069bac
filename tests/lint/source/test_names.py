"""What the table of names says about Keras is checked against the installed Keras."""

from __future__ import annotations

import inspect

import pytest

from lint.subjects import names


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("keras.layers.BatchNormalization", "keras.layers.BatchNormalization"),
        (
            "tensorflow.keras.layers.BatchNormalization",
            "keras.layers.BatchNormalization",
        ),
        ("tf_keras.layers.BatchNormalization", "keras.layers.BatchNormalization"),
        (
            "keras.src.layers.normalization.batch_normalization.BatchNormalization",
            "keras.layers.BatchNormalization",
        ),
        ("tensorflow.compat.v1.keras.Model", "keras.Model"),
        ("tensorflow.keras.models.Model", "keras.Model"),
        ("keras.models.Sequential", "keras.Sequential"),
        ("keras.applications.resnet50.ResNet50", "keras.applications.ResNet50"),
        ("tensorflow.compat.v1.layers.dense", "tensorflow.layers.dense"),
        ("tensorflow_core.python.keras.layers.Dropout", "keras.layers.Dropout"),
        ("tensorflow.python.layers.core.dropout", "tensorflow.layers.dropout"),
        ("tensorflow.contrib.slim.batch_norm", "slim.batch_norm"),
        ("tensorflow.contrib.layers.batch_norm", "contrib.layers.batch_norm"),
        ("kerasbn.layer.BatchNormalization", "kerasbn.BatchNormalization"),
        ("keras_core.layers.Dense", "keras.layers.Dense"),
        ("pruning.core.compat.keras.layers.Dense", "keras.layers.Dense"),
        ("other.internal.tf_keras.Model", "keras.Model"),
        ("horovod.keras.layers.Dense", "horovod.keras.layers.Dense"),
        ("kerasfoo.layers.BatchNormalization", "kerasfoo.layers.BatchNormalization"),
        ("torch.nn.BatchNorm2d", "torch.nn.BatchNorm2d"),
    ],
)
def test_canonical(spelling: str, expected: str) -> None:
    assert names.canonical(spelling) == expected


def networks() -> dict[str, object]:
    import keras

    return {
        name: member
        for name, member in vars(keras.applications).items()
        if callable(member) and name[:1].isupper()
    }


def test_applications_with_and_without_batch_norm() -> None:
    """By their source: the smallest one of each file would take seconds to build."""
    found = networks()
    assert len(found) > 30
    for name, function in found.items():
        source = inspect.getsource(inspect.getmodule(function))  # type: ignore[arg-type]
        # ResNet V2 builds on the file of ResNet.
        expected = "BatchNormalization" in source or "resnet.ResNet" in source
        kinds = names.kinds_named(f"keras.applications.{name}")
        assert (names.BATCH_NORM in kinds) is expected, name


def test_layers_that_depend_on_training() -> None:
    """Every layer that Keras hands `training` to in its own signature is judged."""
    import keras

    known = {
        name for name in vars(keras.layers) if names.kinds_named(f"keras.layers.{name}")
    }
    regularizing = {
        name
        for name, layer in vars(keras.layers).items()
        if inspect.isclass(layer) and "regularization" in layer.__module__
    }
    assert regularizing - known == {"ActivityRegularization"}
    assert {"BatchNormalization", "RandomFlip", "RandAugment", "MixUp"} <= known
    assert "LayerNormalization" not in known
