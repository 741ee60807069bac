"""BN401 to BN404 on models: what stands directly before batch normalization."""

from __future__ import annotations

import keras
import pytest

import lint

layers = keras.layers
BN = layers.BatchNormalization


def image_model(*parts):
    return keras.Sequential([keras.Input((8, 8, 3)), *parts])


def codes(model, tmp_path, select="BN4"):
    """What is found in the live and in the saved model, which must be the same."""
    model.save(tmp_path / "m.keras")
    live, saved = (
        [
            (finding.code, finding.layer)
            for finding in lint.check(target, select=[select])
        ]
        for target in (model, tmp_path / "m.keras")
    )
    assert live == saved
    return [code for code, _ in live if code != "BN405"]


@pytest.mark.parametrize(
    "before",
    [
        lambda: layers.Dense(3),
        lambda: layers.Conv2D(3, 3, padding="same"),
        lambda: layers.DepthwiseConv2D(3),
        lambda: layers.SeparableConv2D(3, 3),
        lambda: layers.Conv2DTranspose(3, 3),
        lambda: layers.Dense(3, activation="linear"),
    ],
)
def test_bias(before, tmp_path):
    assert codes(image_model(before(), BN()), tmp_path) == ["BN401"]


def test_bias_that_matters(tmp_path):
    for parts in (
        [layers.Conv2D(3, 3, use_bias=False), BN()],
        [layers.Conv2D(3, 3, activation="relu"), BN()],
        [layers.Conv2D(3, 3), layers.ReLU(), BN()],
        [layers.Conv2D(3, 3)],
    ):
        assert codes(image_model(*parts), tmp_path) == []
    # Bias is constant for each channel, so another axis keeps some of it.
    subject = image_model(layers.Conv2D(3, 3), BN(axis=1))
    assert codes(subject, tmp_path) == ["BN403"]


def test_what_something_else_reads_too(tmp_path):
    inputs = keras.Input((8, 8, 3))
    conv = layers.Conv2D(3, 3, kernel_regularizer="l2")(inputs)
    model = keras.Model(inputs, layers.Add()([conv, BN()(conv)]))
    assert codes(model, tmp_path) == []
    model = keras.Model(inputs, [conv, BN()(conv)])
    assert codes(model, tmp_path) == []
    shared = layers.Conv2D(3, 3, padding="same")
    model = keras.Model(inputs, BN()(shared(shared(inputs))))
    assert codes(model, tmp_path) == []


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: layers.Dropout(0.3), ["BN402"]),
        (lambda: layers.SpatialDropout2D(0.3), ["BN402"]),
        (lambda: layers.GaussianDropout(0.3), ["BN402"]),
        (lambda: layers.AlphaDropout(0.3), []),
        (lambda: layers.Dropout(0.0), []),
    ],
)
def test_dropout(layer, expected, tmp_path):
    assert codes(image_model(layer(), BN()), tmp_path) == expected


@pytest.mark.parametrize(
    ("layer", "axis", "expected"),
    [
        ({"data_format": "channels_last"}, -1, []),
        ({"data_format": "channels_last"}, 3, []),
        ({"data_format": "channels_last"}, [3], []),
        ({"data_format": "channels_last"}, 1, ["BN403"]),
        ({"data_format": "channels_first"}, 1, []),
        ({"data_format": "channels_first"}, -3, []),
        ({"data_format": "channels_first"}, -1, ["BN403"]),
    ],
)
def test_axis(layer, axis, expected):
    """By hand, since TensorFlow has no such convolution on a CPU."""
    conv = {"class_name": "Conv2D", "module": "keras.layers", "name": "conv"}
    conv["config"] = {"name": "conv", "use_bias": False, **layer}
    bn = {"class_name": "BatchNormalization", "module": "keras.layers", "name": "bn"}
    bn["config"] = {"name": "bn", "axis": axis}
    assert [
        finding.code
        for finding in findings_in_sequential(conv, bn)
        if finding.code == "BN403"
    ] == expected


def findings_in_sequential(*entries):
    from kerasbn.graph import read_graph
    from lint.rules import rules_matching
    from lint.subjects.model import Model

    config = {"name": "m", "layers": list(entries)}
    graph = read_graph({"class_name": "Sequential", "config": config})
    subject = Model("m.keras", "3.15.1", (), graph=graph)
    for rule in rules_matching("BN4"):
        yield from rule.check_model(subject)


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (keras.regularizers.L2(0.1), ["BN404"]),
        (keras.regularizers.L1L2(l2=0.1), ["BN404"]),
        ("l2", ["BN404"]),
        (keras.regularizers.L1(0.1), []),
        (keras.regularizers.L1L2(l1=0.1), []),
        (None, []),
    ],
)
def test_l2(penalty, expected, tmp_path):
    dense = layers.Dense(3, use_bias=False, kernel_regularizer=penalty)
    assert codes(image_model(dense, BN()), tmp_path) == expected


def test_nested_models_name_the_path(tmp_path):
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="dense"), BN()], name="inner"
    )
    outer = keras.Sequential([keras.Input((4,)), inner])
    (found,) = lint.check(outer, select=["BN401"])
    assert found.layer == "inner/dense"


def test_only_the_axis_is_checked_by_default():
    subject = image_model(layers.Dropout(0.5), BN(), layers.Dense(3), BN())
    assert lint.check(subject) == []


def test_known_number_of_resnet():
    resnet = keras.applications.ResNet50(weights=None)
    assert len(lint.check(resnet, select=["BN401"])) == 53


def test_counts_no_more_than_are_folded():
    import kerasbn

    model = image_model(
        layers.Conv2D(3, 1),
        BN(),
        layers.Conv2D(3, 1, activation="relu"),
        BN(),
        layers.Conv2D(3, 1, kernel_constraint="non_neg"),
        BN(),
        layers.Conv2D(3, 1, dtype="mixed_float16"),
        BN(),
        layers.Dense(3),
        BN(),
    )
    (found,) = lint.check(model, select=["BN405"])
    assert "at least 2 of 5 " in found.message
    assert found.layer is None
    assert len(kerasbn.fold_batch_norm(model).folded) >= 2


@pytest.mark.parametrize(
    ("name", "expected"), [("MobileNetV2", "52 of 52"), ("DenseNet121", "59 of 121")]
)
def test_known_numbers_of_foldable_layers(name, expected):
    """Those that the design of the fold names, counted there by folding them."""
    model = getattr(keras.applications, name)(weights=None)
    (found,) = lint.check(model, select=["BN405"])
    assert f"at least {expected} " in found.message
