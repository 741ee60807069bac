"""All benchmarks on all backends, one after the other: about a quarter of an hour.

    python -m tests.benchmarks.all

It writes `speed.json`, `speed.md` and `speed.png` beside this file, and puts the
tables into `docs/benchmarks.md` and a sentence into the README of the repository. With
`--tables` it measures nothing and makes all but `speed.json` again from that.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from . import chart, tables

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
PAGES = {
    ROOT / "docs" / "benchmarks.md": tables.summary,
    ROOT / "README.md": tables.headline,
}
RESULTS = HERE / "speed.json"
BACKENDS = ("tensorflow", "jax", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each pair")
    arguments = parser.parse_args()
    if not arguments.tables:
        RESULTS.write_text(json.dumps(measured(arguments.seconds), indent=1) + "\n")
    results = json.loads(RESULTS.read_text())
    (HERE / "speed.md").write_text(tables.full(results))
    for page, block in PAGES.items():
        page.write_text(tables.inserted(page.read_text(), block(results)))
    chart.draw(results).savefig(HERE / "speed.png", dpi=100)


def measured(seconds):
    """Rows of the layer on each backend, of models and of memory; the machine."""
    rows = []
    for backend in BACKENDS:
        rows += outcome(backend, "layer", "--seconds", str(seconds))
    models = outcome("tensorflow", "models", "--seconds", str(20 * seconds))
    memory = []
    for backend in BACKENDS:
        for jit in (False, True) if backend != "torch" else (False,):
            options = ["--jit"] if jit else []
            peaks = {
                layer: outcome(backend, "memory", layer, *options)
                for layer in ("stock", "ours")
            }
            memory.append({"backend": backend, "jit": jit, **peaks})
    return {"layer": rows, "models": models, "memory": memory, "machine": machine()}


def outcome(backend, module, *options):
    """What a benchmark, in a process of its own, writes as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "results.json"
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *options]
        environment = os.environ | {
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        subprocess.run([*command, "--output", output], env=environment, check=True)
        return json.loads(output.read_text())


def machine():
    """A line that says what was measured on."""
    import importlib.metadata as metadata

    names = {"keras": "Keras", "tensorflow": "TensorFlow", "jax": "JAX"}
    names["torch"] = "PyTorch"
    versions = [f"{names[name]} {metadata.version(name)}" for name in names]
    return f"{os.cpu_count()} cores, {processor()}; {', '.join(versions)}"


def processor():
    """The name of the processor, on Linux."""
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else "unknown processor"


if __name__ == "__main__":
    main()
