"""How long `model-lint` takes: for model files, and for source beside flake8.

Whole processes, in turn. A model file is timed beside a process that only imports h5py
(with NumPy), json and zipfile, without which none can be read. Source is 1,000 files of
installed packages, read by both linters in one process each; flake8 must be installed.
"""

from __future__ import annotations

import argparse
import shutil
import site
import sys
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

from .processes import run

MODELS = ("MobileNetV2", "ResNet152", "InceptionResNetV2")
MAKE = """
import sys, keras
for name in sys.argv[2:]:
    model = getattr(keras.applications, name)(weights=None)
    model.save(f"{sys.argv[1]}/{name}.keras")
"""
LINT = "from lint.cli import main; main()"
IMPORT = "import h5py, json, zipfile"
LINT_SOURCE = """
import gc, sys
from pathlib import Path
from lint.config import config_for
from lint.run import run
gc.set_threshold(100_000, 20, 20)  # As the command does.
assert len(run(sys.argv[1:], config_for(sys.argv[1:]), jobs=1).checked) == 1000
"""
FLAKE8 = """
import sys
from flake8.main.cli import main
options = ["--isolated", "--jobs=1", "--quiet", "--quiet", "--exit-zero"]
sys.exit(main([*options, *sys.argv[1:]]))
"""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(MAKE, folder, *MODELS)
        print("| file | size | lint | of the processor | over the imports |")
        print("|---|---|---|---|---|")
        for model in MODELS:
            print(of_model(folder / f"{model}.keras", rounds), flush=True)
        print(of_source(folder / "source", max(3, rounds // 3)))


def of_model(file: Path, rounds: int) -> str:
    """One row of the table: medians, with the least and most by the clock."""
    times = np.array([[run(LINT, file)[:2], run(IMPORT)[:2]] for _ in range(rounds)])
    (wall, processor), _ = np.median(times, 0)
    clock = times[:, 0, 0]
    over = np.median(times[:, 0, 0] / times[:, 1, 0])
    return (
        f"| {file.stem} | {file.stat().st_size / 1e6:.0f} MB "
        f"| {wall:.2f} s ({clock.min():.2f} to {clock.max():.2f}) | {processor:.2f} s "
        f"| {over:.1f} |"
    )


def of_source(folder: Path, rounds: int) -> str:
    """One line: the times of both linters and their ratio."""
    folder.mkdir()
    packages = Path(site.getsitepackages()[0])
    sources = (
        path
        for package in ("keras", "tensorflow", "sklearn", "torch")
        for path in sorted((packages / package).rglob("*.py"))
        if path.stat().st_size > 500
    )
    for number, path in enumerate(islice(sources, 1000)):
        shutil.copy(path, folder / f"module_{number}.py")
    times = np.array(
        [[run(LINT_SOURCE, folder)[:2], run(FLAKE8, folder)[:2]] for _ in range(rounds)]
    )
    (ours, _), (flake8, _) = np.median(times, 0)
    ratios = np.percentile(times[:, 1, 0] / times[:, 0, 0], [0, 50, 100])
    return (
        f"\n1,000 files: model-lint {ours:.1f} s, flake8 {flake8:.1f} s; flake8 takes "
        f"{ratios[1]:.1f} times as long ({ratios[0]:.1f} to {ratios[2]:.1f})"
    )


if __name__ == "__main__":
    sys.exit(main())
