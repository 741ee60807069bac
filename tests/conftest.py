"""Settings for all tests."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # Warnings are errors; these come from other packages and not through our calls.
    for noise in (
        # Keras variables and NumPy 2: at every np.array(variable), as in saving.
        "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    ):
        config.addinivalue_line("filterwarnings", noise)
