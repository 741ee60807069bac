"""The gallery's scripts run, and claim what theory says."""

import importlib
import pathlib
import sys
from functools import cache

import keras
import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "examples" / "gallery"
HELPERS = ("all", "common", "landscape")
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in HELPERS)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="gradients are taken with TensorFlow",
    ),
]


@pytest.fixture(scope="module")
def results():
    """The results of a script in short mode, each run once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield cache(lambda name: importlib.import_module(name).run(short=True))
    for name in list(sys.modules):
        if name.partition(".")[0] in (*SCRIPTS, *HELPERS):
            del sys.modules[name]


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_reports_and_draws(name, results, tmp_path):
    found = results(name)
    script = importlib.import_module(name)
    report = script.report(found)
    assert max(map(len, report.splitlines())) <= 140
    assert script.__doc__.splitlines()[0].endswith("?")
    picture = tmp_path / "picture.png"
    importlib.import_module("common").save(script.draw(found), picture)
    assert 5_000 < picture.stat().st_size <= 100_000


def test_every_script_is_in_the_list_of_all(results):
    results("by_hand")
    assert sorted(importlib.import_module("all").SCRIPTS) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_site_has_the_output_of_each(name):
    stored = FOLDER.parent.parent / "docs" / "gallery"
    assert (stored / f"{name}.txt").stat().st_size > 500
    assert (stored / f"{name}.png").stat().st_size <= 100_000


def test_by_hand_equals_the_layer(results):
    for (_, dtype), differences in results("by_hand").items():
        assert max(differences) < {"float32": 1e-5, "float64": 1e-13}[dtype]


def test_one_vector_gives_beta(results):
    found = results("one_sample")
    assert found["beta_error"] == 0
    assert found["image_std"] > 0.5  # An image has statistics of its own.


def test_single_samples_teach_the_layers_in_front_nothing(results):
    assert results("one_sample")["still"] == 0


def test_the_lint_sees_the_missing_flag(results):
    assert {"BN101", "BN203"} <= set(results("one_sample")["findings"])


def test_momentum_does_not_touch_training(results):
    one, *others = results("momentum")["training"].values()
    for other in others:
        np.testing.assert_allclose(other, one)


def test_zero_debias_saves_short_trainings_at_large_momentum(results):
    validation = results("momentum")["validation"]
    plain, debiased = (np.median(validation[0.9999, d], axis=0) for d in (False, True))
    assert debiased[-1] > plain[-1] + 10


def test_first_batch_with_zero_debias_is_that_of_momentum_0(results):
    validation = results("momentum")["validation"]
    assert validation[0.9999, True][0][0] == validation[0.0, False][0][0]


def test_recalibrated_pixels_are_those_of_the_scaler(results):
    as_trained, again = results("inputs")["distance"]["digits"]
    assert max(again) < 1e-4 < max(as_trained)


def test_folded_inputs_predict_the_same(results):
    fold = results("inputs")["fold"]["digits"]
    assert fold["difference"] < 1e-5
    assert fold["same"]
    assert "BatchNormalization" not in fold["layers"]


def test_scale_changes_nothing_but_for_epsilon(results):
    for (epsilon, factor), differences in results("learning_rate")["scaling"].items():
        if epsilon < 1e-10:
            assert max(differences) < 1e-13
        elif factor < 1:
            assert min(differences) > 1e-4


def test_sigmoids_without_normalization_lose_the_gradient(results):
    # Its slope is 1/4 at most; the first of four layers is behind three more of them.
    for (_, norm, _), runs in results("sigmoid_networks")["gradient"].items():
        first, *_, last = runs[0][0]
        assert first < last / 4 if norm is None else first > last / 4


def test_what_folds(results):
    folded = results("before_or_after")["folded"]
    for (network, _, place), (count, of, difference) in folded.items():
        assert difference < 1e-5
        all_fold = network == "dense" or place == "before"
        assert count == of if all_fold else count < of


def test_folded_networks_predict_the_same(results):
    assert results("cost_and_gain")["same"]


def test_normalization_keeps_skewness_and_kurtosis(results):
    assert results("why_it_works")["affine"] < 1e-3


def test_one_layer_at_a_time_is_the_first_order(results):
    for depth, change in results("why_it_works")["chain"].items():
        assert change["single"] == pytest.approx(change["first"])
        # All at once is a binomial, of which these are the first two terms.
        share = -change["first"] / depth
        assert change["all"] == pytest.approx((1 - share) ** depth - 1)
        assert change["second"] == pytest.approx(depth * (depth - 1) / 2 * share**2)


def test_units_are_seen_in_both_networks(results):
    found = results("statistics_watched")
    for (name, _), (quantiles, *_) in found["inputs"].items():
        assert quantiles.shape == (len(found["at"]), 5)
        assert (np.diff(quantiles, axis=1) >= 0).all()
        if name == "with BN":  # gamma is 1 and beta 0 in the beginning
            assert abs(quantiles[0, 2]) < 0.3
