"""The rules that look at models: flags in graphs, momentum, and a live `call`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import pytest

import lint
from lint.findings import Severity
from lint.rules import rule_by_code
from lint.semantics import parse_version
from lint.subjects.model import BatchNorm, Model

if TYPE_CHECKING:
    from pathlib import Path

FLAG_RULES = ("BN103", "BN104", "BN105")


def layer(**changes: Any) -> BatchNorm:
    usual = BatchNorm("bn", {"momentum": 0.99}, False, (), lambda: None)
    return replace(usual, **changes)


def model(version: str | None, *layers: BatchNorm) -> Model:
    return Model("model.keras", version, layers)


def findings(subject: Model, *codes: str) -> list[tuple[str, str]]:
    return [
        (finding.code, finding.severity.letter)
        for code in codes
        for finding in rule_by_code(code).check_model(subject)
    ]


@pytest.mark.parametrize(
    ("version", "flag", "expected"),
    [
        ("3.15.1", True, [("BN105", "W")]),
        ("3.15.1", False, [("BN105", "W")]),
        ("3.4.0", False, [("BN105", "W")]),
        ("3.16.0", True, [("BN103", "W")]),
        ("3.16.0", False, [("BN104", "W")]),
        ("2.15.0", True, [("BN103", "W")]),
        ("2.15.0", False, [("BN104", "W")]),
        (None, False, [("BN105", "I")]),
        ("3.15.1", None, []),
        ("2.15.0", None, []),
    ],
)
def test_flags_by_version(
    version: str | None, flag: bool | None, expected: list[tuple[str, str]]
) -> None:
    subject = model(version, layer(training_flags=(flag,)))
    assert findings(subject, *FLAG_RULES) == expected


def test_flags_of_a_frozen_layer_do_not_matter() -> None:
    subject = model("3.15.1", layer(training_flags=(False,), frozen=True))
    assert findings(subject, *FLAG_RULES) == []


@pytest.mark.parametrize(
    ("momentum", "expected"),
    [
        (0.1, [("BN201", "E")]),
        (0.05, [("BN201", "E")]),
        (0.3, [("BN201", "W")]),
        (0.0, [("BN201", "W")]),
        (0.8, [("BN201", "I")]),
        (0.9, []),
        (0.9997, []),
        (None, []),
        (1.0, [("BN202", "E")]),
        (1.5, [("BN202", "E")]),
        (-0.1, [("BN202", "E")]),
    ],
)
def test_momentum(momentum: float | None, expected: list[tuple[str, str]]) -> None:
    subject = model("3.15.1", layer(config={"momentum": momentum}))
    assert findings(subject, "BN201", "BN202") == expected


def nested(flag: bool | None, trainable: bool = True) -> keras.Model:
    inputs = keras.Input((4,))
    base = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    base.trainable = trainable
    arguments = {} if flag is None else {"training": flag}
    dropped = keras.layers.Dropout(0.5)(base(inputs, **arguments))
    return keras.Model(inputs, keras.layers.Dense(1)(dropped))


@pytest.mark.parametrize("flag", [True, False])
def test_flag_of_a_nested_model(flag: bool, tmp_path: Path) -> None:
    subject = nested(flag)
    path = tmp_path / "model.keras"
    subject.save(path)
    honoured = parse_version(keras.__version__) >= (3, 16)
    code = ("BN103" if flag else "BN104") if honoured else "BN105"
    for target in (subject, path):
        (found,) = lint.check(target, select=list(FLAG_RULES))
        assert found.code == code
        assert found.layer == subject.layers[1].name


def test_nested_models_that_are_right() -> None:
    assert not lint.check(nested(None), select=list(FLAG_RULES))
    assert not lint.check(nested(False, trainable=False), select=list(FLAG_RULES))


class Lacking(keras.Model):
    """Its call cannot receive `training`."""

    def __init__(self, *layers: keras.layers.Layer) -> None:
        super().__init__()
        self.parts = list(layers)

    def call(self, x: Any) -> Any:
        """The word training in a text settles nothing."""
        for part in self.parts:
            x = part(x)
        return x


class Settling(Lacking):
    def call(self, x: Any) -> Any:
        return self.parts[0](x, training=True)


class Taking(Lacking):
    def call(self, x: Any, training: bool | None = None) -> Any:
        return super().call(x)


class Stepping(Lacking):
    def train_step(self, data: Any) -> dict[str, Any]:
        return {}


def built(subject: keras.Model, compiled: bool = True) -> keras.Model:
    if compiled:
        subject.compile("sgd", "mse")
    subject(keras.ops.ones((2, 4)))
    return subject


def live(subject: keras.Model) -> list[tuple[str, Severity]]:
    return [
        (finding.code, finding.severity) for finding in lint.check(subject, ["BN101"])
    ]


def test_live_call_without_training() -> None:
    layers = keras.layers
    error = [("BN101", Severity.ERROR)]
    assert live(built(Lacking(layers.BatchNormalization()))) == error
    assert live(built(Lacking(layers.Dropout(0.5)))) == error
    assert live(built(Lacking(Lacking(layers.GaussianNoise(1.0))))) == error
    assert live(built(Lacking(layers.BatchNormalization()), compiled=False)) == [
        ("BN101", Severity.WARNING)
    ]


def test_live_models_that_are_right() -> None:
    bn = keras.layers.BatchNormalization
    assert not live(built(Lacking(keras.layers.Dense(2))))
    assert not live(built(Settling(bn())))
    assert not live(built(Taking(bn())))
    assert not live(built(Stepping(bn())))
    assert not live(built(Lacking(bn(trainable=False))))
    assert not live(built(keras.Sequential([bn()])))


def test_a_layer_that_is_called_several_times(tmp_path: Path) -> None:
    bn = keras.layers.BatchNormalization(name="bn")
    branch = keras.Sequential([keras.Input((4,)), bn], name="branch")
    inputs = [keras.Input((4,)), keras.Input((4,))]
    network = keras.Model(inputs, [branch(one) for one in inputs])
    network.save(tmp_path / "m.keras")
    for target in (network, tmp_path / "m.keras"):
        (found,) = lint.check(target, select="BN211")
        assert found.severity is Severity.INFO
        assert found.location.layer == "branch/bn"
        assert "called 2 times" in found.message
    bn.trainable = False
    assert lint.check(network, select="BN211") == []
    once = keras.Model(inputs, branch(keras.layers.add(inputs)))
    bn.trainable = True
    assert lint.check(once, select="BN211") == []
