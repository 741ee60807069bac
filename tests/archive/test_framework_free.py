"""Files are read and rewritten without a framework."""

import subprocess
import sys

from .files import SAVED_MODELS

CODE = """
import sys
from pathlib import Path
from kerasbn.archive import open_archive, write_archive
from kerasbn.graph import read_graph, rewrite
from kerasbn.graph.ordering import keras_order
with open_archive(sys.argv[1]) as archive:
    graph = read_graph(archive.config)
    order = keras_order(graph)
    assert len(archive.variables(order[1])) > 0
    write_archive(Path(sys.argv[2]), archive, rewrite(archive.config, [], {}))
names = {name.split(".")[0] for name in sys.modules}
print(sorted(names & {"keras", "tensorflow", "jax", "torch", "tf_keras"}))
"""


def test_no_framework_is_loaded(tmp_path):
    source = SAVED_MODELS / "keras-3.15" / "functional.keras"
    command = [sys.executable, "-c", CODE, str(source), str(tmp_path / "again.keras")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert (tmp_path / "again.keras").exists()
