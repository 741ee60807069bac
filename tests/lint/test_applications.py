"""Models that are right stay without errors and warnings, live and saved.

Here stand small ones that between them have each momentum that keras.applications
uses; `python tests/lint/all_applications.py` checks every model there is.
"""

import keras
import pytest

import lint


@pytest.mark.parametrize(
    ("name", "momentum"),
    [
        pytest.param("EfficientNetV2B0", 0.9, marks=pytest.mark.long),
        pytest.param("MobileNet", 0.99, marks=pytest.mark.long),
        ("MobileNetV3Small", 0.999),
        pytest.param("NASNetMobile", 0.9997, marks=pytest.mark.long),
    ],
)
def test_nothing_is_found(name, momentum, folder):
    model = getattr(keras.applications, name)(weights=None)
    assert momentum in {getattr(layer, "momentum", None) for layer in model.layers}
    model.save("m.keras")
    for findings in (lint.check(model), lint.check("m.keras")):
        assert [finding for finding in findings if finding.severity != "info"] == []
