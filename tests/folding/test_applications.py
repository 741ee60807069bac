"""Real networks: every BN of these goes, and the proof holds."""

import keras
import pytest

import kerasbn

from .models import randomise

# Name -> how many BN it has.
NETWORKS = {
    "EfficientNetB0": 49,
    "InceptionV3": 94,
    "MobileNetV2": 52,
    "MobileNetV3Small": 34,
    "ResNet50": 53,
    "Xception": 40,
}


def networks():
    """The smallest network always, the others among the long tests."""
    for name, batch_norms in NETWORKS.items():
        marks = () if name == "MobileNetV3Small" else pytest.mark.long
        yield pytest.param(name, batch_norms, marks=marks)


@pytest.mark.parametrize(("name", "batch_norms"), list(networks()))
def test_every_batch_norm_is_folded(name, batch_norms, tmp_path):
    build = getattr(keras.applications, name)
    model = randomise(build(weights=None, input_shape=(96, 96, 3), classes=10))
    model.save(tmp_path / "in.keras")

    result = kerasbn.fold_file(tmp_path / "in.keras", tmp_path / "out.keras")

    assert (len(result.folded), len(result.kept)) == (batch_norms, 0)
    assert result.error["float64"] <= 1e-9
    assert result.verified


@pytest.mark.long
def test_what_stays_in_densenet_is_read_twice(tmp_path):
    """Pre-activation BN on shared tensors: 62 of 121 stay, each with its readers."""
    model = keras.applications.DenseNet121(
        weights=None, input_shape=(64, 64, 3), include_top=False
    )
    result = kerasbn.fold_batch_norm(randomise(model), verify=False)
    assert (len(result.folded), len(result.kept)) == (59, 62)
    reasons = {kept["layer"]: kept["reason"] for kept in result.kept}
    assert reasons["conv2_block1_0_bn"] == (
        "`pool1` is read 2 times, by `conv2_block1_0_bn`, `conv2_block1_concat`; is "
        "read by Activation `conv2_block1_0_relu`, which is not linear"
    )


@pytest.mark.long
def test_nasnet_goes_through_concatenations(tmp_path):
    """All 192 go, 4 of them only because a map splits along the channels."""
    model = keras.applications.NASNetMobile(weights=None)
    randomise(model).save(tmp_path / "in.keras")
    result = kerasbn.fold_file(
        tmp_path / "in.keras", tmp_path / "out.keras", dry_run=True
    )
    assert (len(result.folded), len(result.kept)) == (192, 0)
    assert sum(len(folded["into"]) > 1 for folded in result.folded) == 4


def test_stages_of_resnet_v2_lose_one_each(tmp_path):
    """The residual stream is linear, so the last BN of a stage goes into all of it."""
    model = keras.applications.ResNet50V2(weights=None, include_top=False)
    randomise(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(keras.ops.ones_like(layer.gamma))
    model.save(tmp_path / "in.keras")
    result = kerasbn.fold_file(
        tmp_path / "in.keras", tmp_path / "out.keras", dry_run=True
    )
    assert (len(result.folded), len(result.kept)) == (36, 13)
