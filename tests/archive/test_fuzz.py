"""Bytes of real files, flipped at random: read, or refused with our own errors."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasbn.archive import UnusableFileError, open_archive, write_archive
from kerasbn.config_tree import layer_entries
from kerasbn.graph import NotAGraphError, read_graph, rewrite

from .files import SAVED_MODELS

FILES = {
    name: (SAVED_MODELS / name).read_bytes()
    for name in (
        "keras-3.15/bfloat16.keras",
        "keras-3.4/nested.keras",
        "keras-3.15/nested.h5",
        "tf_keras-2/training_flag.h5",
    )
}


def read_all(path, target):
    """Everything that the commands do with a file."""
    with open_archive(path) as archive:
        archive.iterations()
        _ = archive.keras_version
        for entry in layer_entries(archive.config):
            for stored in archive.variables(entry.path):
                stored.read()
        if archive.format == "keras":
            write_archive(target, archive, archive.config)
        read_graph(archive.config)
        if not str(archive.keras_version).startswith("2"):
            rewrite(archive.config, [], {})


@settings(
    max_examples=200,
    deadline=2000,
    derandomize=True,  # The HDF5 library is not proof against all; see that ours is.
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.data())
@pytest.mark.parametrize("name", FILES)
def test_flipped_bytes(tmp_path_factory, name, data):
    content = bytearray(FILES[name])
    places = st.integers(0, len(content) - 1)
    changes = st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)
    for place, value in data.draw(changes):
        content[place] = value
    folder = tmp_path_factory.getbasetemp()
    path = folder / f"flipped.{name[-2:]}"
    path.write_bytes(content)
    with contextlib.suppress(UnusableFileError, NotAGraphError):
        read_all(path, folder / "again.keras")
