"""BN203 to BN207 on hand-made models whose answer is obvious."""

import numpy as np
import pytest

from lint.rules import rule_by_code
from lint.subjects.model import BatchNorm, Model, Statistics

CONFIG = {
    "momentum": 0.99,
    "epsilon": 1e-3,
    "gamma_initializer": {"class_name": "Ones", "config": {}},
    "beta_initializer": {"class_name": "Zeros", "config": {}},
    "moving_mean_initializer": {"class_name": "Zeros", "config": {}},
    "moving_variance_initializer": {"class_name": "Ones", "config": {}},
}


def model(
    mean=(0.0, 0.0),
    variance=(1.0, 1.0),
    gamma=(1.0, 1.0),
    beta=(0.0, 0.0),
    *,
    iterations=None,
    frozen=False,
    calls=1,
    config=CONFIG,
    **settings,
):
    arrays = [
        None if each is None else np.asarray(each, np.float32)
        for each in (mean, variance, gamma, beta)
    ]
    layer = BatchNorm(
        path="inner/bn",
        config={**config, **settings},
        frozen=frozen,
        training_flags=(),
        read_statistics=lambda: Statistics(*arrays),
        calls=calls,
    )
    return Model("m.keras", "3.15.1", (layer,), iterations=iterations)


def severities(code, subject):
    findings = list(rule_by_code(code).check_model(subject))
    assert all(finding.location.layer == "inner/bn" for finding in findings)
    return [finding.severity.value for finding in findings]


class TestNeverUpdated:
    @pytest.mark.parametrize(
        "fields",
        [
            {"iterations": 5},
            {"iterations": 5, "gamma": (1.1, 0.9)},
            {"iterations": 5, "gamma": None, "beta": None},
            {"iterations": 5, "gamma": (1.1, 0.9), "config": {}},
            {"iterations": 5, "gamma": None, "beta": None, "config": {}},
            {
                "iterations": 5,
                "mean": (0.1, 0.1),
                "moving_mean_initializer": {
                    "class_name": "Constant",
                    "config": {"value": 0.1},
                },
            },
            {"iterations": 5, "moving_mean_initializer": "zeros"},
        ],
    )
    def test_initial_statistics_after_steps_are_an_error(self, fields):
        assert severities("BN203", model(**fields)) == ["error"]

    def test_what_the_file_may_not_know_to_be_frozen_is_an_info(self):
        assert severities("BN203", model(iterations=5, config={})) == ["info"]

    @pytest.mark.parametrize("iterations", [None, 0])
    @pytest.mark.parametrize(
        "affine",
        [{"gamma": (1.1, 1)}, {"beta": (0, 0.1)}, {"gamma": (0.3, 0.7), "config": {}}],
    )
    def test_without_steps_a_moved_affine_is_a_warning(self, iterations, affine):
        assert severities("BN203", model(iterations=iterations, **affine)) == [
            "warning"
        ]

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"iterations": 0},
            {"iterations": 5, "frozen": True},
            {"iterations": 5, "mean": (0, 1e-6)},
            {"iterations": 5, "variance": (1, 0.999)},
            {"gamma": (0, 0), "gamma_initializer": "zeros"},
            {"gamma": (0.3, 0.7), "gamma_initializer": {"class_name": "RandomNormal"}},
            {"gamma": (0.3, 0.7), "frozen": True},
            {"gamma": (0, 0), "config": {}},
            {"iterations": 5, "moving_mean_initializer": {"class_name": "Mine"}},
            {"iterations": 5, "moving_variance_initializer": "zeros"},
        ],
    )
    def test_is_silent_otherwise(self, fields):
        assert severities("BN203", model(**fields)) == []


MOVED = {"mean": (0.5, 0.2), "variance": (1.2, 1.5)}


class TestNotConverged:
    @pytest.mark.parametrize(
        ("steps", "momentum", "expected"),
        [
            (20, 0.99, ["warning"]),
            (298, 0.99, ["warning"]),
            (299, 0.99, []),
            (28, 0.9, ["warning"]),
            (29, 0.9, []),
            (2994, 0.999, ["warning"]),
            (2995, 0.999, []),
            (1, 0.0, []),
            (0, 0.99, []),
            (None, 0.99, []),
        ],
    )
    def test_speaks_while_more_than_5_percent_are_left(self, steps, momentum, expected):
        subject = model(**MOVED, iterations=steps, momentum=momentum)
        assert severities("BN204", subject) == expected

    def test_says_how_much_is_left_and_how_many_steps_it_takes(self):
        subject = model(**MOVED, iterations=20)
        (finding,) = rule_by_code("BN204").check_model(subject)
        assert "82%" in finding.message
        assert "299 steps" in finding.message

    @pytest.mark.parametrize(
        "fields",
        [
            {**MOVED, "frozen": True},
            {**MOVED, "zero_debias": True},
            {**MOVED, "momentum": None},
            {**MOVED, "momentum": 1.0},
            {**MOVED, "momentum": -0.1},
            {**MOVED, "config": {}},
            {"mean": (0.5, 0.2), "variance": (1.2, 0.5)},  # 0.5 < 0.99 ** 20 = 0.82
            {"mean": (0.5, np.nan), "variance": (1.2, np.nan)},
            {},  # Never updated: BN203 says so.
        ],
    )
    def test_is_silent_where_there_is_no_such_bias(self, fields):
        assert severities("BN204", model(**fields, iterations=20)) == []

    def test_a_constant_channel_does_not_hide_the_bias(self):
        left = 0.99**20
        subject = model((0, 0.5), (left * (1 - 1e-6), 1.2), iterations=20)
        assert severities("BN204", subject) == ["warning"]

    @pytest.mark.parametrize(
        ("lowest", "frozen", "expected"),
        [(0.5, False, 0), (0.9, False, 2), (0.5, True, 1), (np.nan, False, 1)],
    )
    def test_a_layer_with_more_updates_than_steps_speaks_for_the_whole_model(
        self, lowest, frozen, expected
    ):
        (one,) = model(**MOVED).batch_norms
        (other,) = model((0.5, 0.2), (1.2, lowest), frozen=frozen).batch_norms
        subject = Model("m.keras", "3.15.1", (one, other), iterations=20)
        assert len(severities("BN204", subject)) == expected

    def test_how_often_a_wrapper_calls_is_not_known(self):
        assert severities("BN204", model(**MOVED, iterations=20, calls=None)) == []

    def test_a_layer_called_twice_is_updated_twice_a_step(self):
        assert severities("BN204", model(**MOVED, iterations=150)) == ["warning"]
        assert severities("BN204", model(**MOVED, iterations=150, calls=2)) == []


class TestNotFinite:
    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"mean": (np.nan, 0)}, "moving mean has 1 of 2 values NaN"),
            ({"mean": (0, -np.inf)}, "moving mean has 1 of 2 values infinite"),
            ({"variance": (np.nan,) * 2}, "moving variance has 2 of 2 values NaN"),
            ({"variance": (np.inf, 1)}, "moving variance has 1 of 2 values infinite"),
            ({"variance": (-0.1, 1)}, "moving variance has 1 of 2 values negative"),
        ],
    )
    def test_names_what_is_impossible(self, fields, words):
        (finding,) = rule_by_code("BN207").check_model(model(**fields))
        assert finding.severity == "error"
        assert words in finding.message

    def test_names_all_of_it(self):
        subject = model((np.nan, np.inf), (-1, np.nan))
        (finding,) = rule_by_code("BN207").check_model(subject)
        assert finding.message.count(" has 1 of 2 values ") == 4

    @pytest.mark.parametrize("frozen", [True, False])
    def test_sound_statistics_pass_also_where_extreme(self, frozen):
        subject = model((-1e30, 1e-30), (0, 3e38), (np.nan, 1), frozen=frozen)
        assert severities("BN207", subject) == []


@pytest.mark.parametrize("code", ["BN203", "BN204", "BN207"])
def test_layers_without_stored_arrays_are_passed_over(code):
    layer = BatchNorm("bn", CONFIG, False, (), lambda: None)
    subject = Model("m.keras", "3.15.1", (layer,), iterations=5)
    assert list(rule_by_code(code).check_model(subject)) == []


class TestCollapsed:
    @pytest.mark.parametrize(
        "variance",
        [
            [0.3] * 4,
            [0.99**200] * 64,
            [1e-13, 2e-14],
            [0.0],
        ],
    )
    def test_variances_that_only_decayed(self, variance):
        subject = model(mean=[2.0] * len(variance), variance=variance)
        assert severities("BN205", subject) == ["warning"]

    @pytest.mark.parametrize(
        "variance",
        [
            [1.0] * 4,
            [0.9] * 4,
            [0.3, 0.3, 0.3],
            [0.3, 0.3, 0.3, 0.3001],
            [0.0, 0.0, 0.0, 1.0],
            [1e-8, 2e-8, 3e-8, 4e-8],
            [np.nan, 0.0, 0.0, 0.0],
            [-1e-13, 0.0],
            [],
        ],
    )
    def test_others(self, variance):
        assert not severities("BN205", model(variance=variance))

    def test_frozen_and_other_beginnings_are_left_alone(self):
        assert not severities("BN205", model(variance=[0.3] * 4, frozen=True))
        constant = {"class_name": "Constant", "config": {"value": 0.3}}
        subject = model(variance=[0.3] * 4, moving_variance_initializer=constant)
        assert not severities("BN205", subject)

    def test_weights_alone_are_enough(self):
        assert severities("BN205", model(variance=[0.3] * 4, config={})) == ["warning"]


class TestTooLarge:
    @staticmethod
    def check(momentum, iterations, variance=(2.0, 3.0), **changes):
        subject = model(
            variance=variance, iterations=iterations, momentum=momentum, **changes
        )
        return severities("BN206", subject)

    @pytest.mark.parametrize(
        ("momentum", "iterations", "found"),
        [
            (0.999, 999, True),
            (0.999, 1001, False),
            (0.9999, 5000, True),
            (0.99, 20, False),
            (0.999, 0, False),
            (0.999, None, False),
            (1.0, 100, False),
        ],
    )
    def test_window_against_steps(self, momentum, iterations, found):
        assert self.check(momentum, iterations) == (["warning"] if found else [])

    def test_what_is_not_known_or_right(self):
        assert not self.check(0.999, 500, frozen=True)
        assert not self.check(0.999, 500, zero_debias=True)
        assert not self.check(0.999, 500, calls=None)
        assert not self.check(0.999, 500, calls=3)
        assert not self.check(0.999, 500, variance=(1.0, 1.0))
        # 0.999^500 is 0.61: the lower variance takes more steps than that.
        assert not self.check(0.999, 500, variance=(0.5, 3.0))
        assert self.check(0.999, 500, variance=(0.61, 3.0))
