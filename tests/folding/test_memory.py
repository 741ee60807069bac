"""However large a layer is, a few blocks of it are in memory."""

import tracemalloc

import keras
import numpy as np
import pytest

import kerasbn

from .models import L, randomise

_SIDE = 3000
_LAYER = 4 * _SIDE**2  # 36 MB


@pytest.fixture(scope="module", params=["keras", "h5"])
def file(request, tmp_path_factory):
    """One layer that absorbs backward, one that absorbs forward, one that is copied."""
    inputs = keras.Input((_SIDE,))
    x = L.BatchNormalization(name="forward")(inputs)
    x = L.ReLU()(L.Dense(_SIDE, name="takes_forward")(x))
    x = L.Reshape((1, _SIDE))(x)
    x = L.Conv1D(_SIDE, 1, name="takes_backward")(x)
    x = L.ReLU()(L.BatchNormalization(name="backward")(x))
    model = keras.Model(inputs, L.Dense(_SIDE, name="copied")(x))
    path = tmp_path_factory.mktemp("memory") / f"large.{request.param}"
    randomise(model).save(path)
    return model, path


def test_peak_memory(file, tmp_path):
    model, path = file
    out = tmp_path / "out.keras"
    tracemalloc.start()
    try:
        result = kerasbn.fold_file(path, out, verify=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(result.folded) == 2
    assert out.stat().st_size > 3 * _LAYER
    assert peak < 0.75 * _LAYER  # Of all three layers, together with all else.
    folded = keras.models.load_model(out)
    _assert_taken_in(model, folded)


def _assert_taken_in(model, folded):
    """The formula in closed form, on arrays of many blocks."""
    kernel, bias = (
        v.astype("float64") for v in model.get_layer("takes_forward").get_weights()
    )
    scale, shift = _affine(model.get_layer("forward"))
    found = folded.get_layer("takes_forward").get_weights()
    np.testing.assert_allclose(found[0], kernel * scale[:, None], rtol=1e-6)
    np.testing.assert_allclose(found[1], bias + shift @ kernel, rtol=1e-5, atol=1e-5)
    kernel, bias = (
        v.astype("float64") for v in model.get_layer("takes_backward").get_weights()
    )
    scale, shift = _affine(model.get_layer("backward"))
    found = folded.get_layer("takes_backward").get_weights()
    np.testing.assert_allclose(found[0], kernel * scale, rtol=1e-6)
    np.testing.assert_allclose(found[1], bias * scale + shift, rtol=1e-6)
    before, after = (m.get_layer("copied").get_weights() for m in (model, folded))
    assert all(map(np.array_equal, before, after))


def _affine(layer):
    gamma, beta, mean, variance = (v.astype("float64") for v in layer.get_weights())
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return scale, beta - mean * scale
