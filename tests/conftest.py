"""Settings for all tests."""

import pathlib

import pytest

HERE = pathlib.Path(__file__).parent
# All that is in these has the mark `every_backend`.
MARKED = [HERE / name for name in ("layer", "lint/test_probing.py")]
MARKED += [HERE / "lint/test_watching.py", HERE / "recalibration/test_models.py"]


def pytest_configure(config: pytest.Config) -> None:
    # Warnings are errors; these come from other packages and not through our calls.
    for noise in (
        # Keras variables and NumPy 2: at every np.array(variable), as in saving.
        "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    ):
        config.addinivalue_line("filterwarnings", noise)
    # A mark of Keras' own tests, see `layer/test_keras_own_tests.py`.
    config.addinivalue_line("markers", "requires_trainable_backend: Keras' own")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(place) for place in MARKED):
            item.add_marker("every_backend")
