"""Time and peak memory of `model-fold --no-verify`, beside what it is measured by.

Whole processes, from start to exit, in turn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from .processes import run

MAKE = """
import sys, keras
L = keras.layers
inputs = keras.Input((7, 7, 512))
x = L.BatchNormalization()(L.Dense(4096)(L.Flatten()(inputs)))
large = keras.Model(inputs, L.Dense(1000)(L.ReLU()(x)))
models = {
    "MobileNetV2": lambda: keras.applications.MobileNetV2(weights=None),
    "ResNet152": lambda: keras.applications.ResNet152(weights=None),
    "Dense of 411 MB": lambda: large,
}
for name, make in models.items():
    make().save(f"{sys.argv[1]}/{name}.keras")
"""
FOLD = "from kerasbn.cli import main; main()"
LOAD = "import sys, keras; keras.models.load_model(sys.argv[1])"
COPY = """
import sys, h5py
with h5py.File(sys.argv[1]) as source, h5py.File(sys.argv[2], "w") as target:
    def copy(name, item):
        if isinstance(item, h5py.Dataset):
            target.create_dataset(name, data=item[()])
    source.visititems(copy)
"""


def measure(folder: Path, name: str, rounds: int) -> str:
    """One row of the table."""
    source, out = folder / f"{name}.keras", folder / "out.keras"
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-e", source, folder / name], check=True
    )
    weights, copied = folder / name / "model.weights.h5", folder / "copied.h5"
    rows = []
    for _ in range(rounds):
        out.unlink(missing_ok=True)  # Replacing a file may wait for the disk.
        copied.unlink(missing_ok=True)
        fold = run(FOLD, source, out, "--no-verify")
        rows.append((fold, run(COPY, weights, copied), run(LOAD, source)))
    times = np.array(rows)  # Rounds, then fold, copy and load, then what was measured.
    fold, copy, load = np.median(times, 0)
    ratios = np.median(times[:, :1] / times, 0)
    return (
        f"| {name} | {source.stat().st_size / 1e6:.0f} MB | {fold[1]:.2f} s "
        f"| {fold[2]:.0f} MB "
        f"| {load[1]:.2f} s | {ratios[2, 1]:.2f} ({ratios[2, 0]:.2f}) "
        f"| {copy[1]:.2f} s | {ratios[1, 1]:.2f} ({ratios[1, 0]:.2f}) |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print("| file | size | fold | peak | load | fold/load | copy | fold/copy |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(MAKE, folder)
        for file in sorted(folder.glob("*.keras")):
            print(measure(folder, file.stem, rounds), flush=True)


if __name__ == "__main__":
    main()
