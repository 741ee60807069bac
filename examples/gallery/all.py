"""Runs the whole gallery in full and stores what the scripts print and draw.

    python examples/gallery/all.py [NAME...]

For each script, `docs/gallery/` gets its text and its picture; the site shows them, so
that building it runs nothing. Names of scripts run these alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
STORE = HERE.parent.parent / "docs" / "gallery"
# In the order in which the site shows them.
SCRIPTS = [
    "by_hand",
    "one_sample",
    "momentum",
    "inputs",
    "learning_rate",
    "sigmoid_networks",
    "before_or_after",
    "cost_and_gain",
    "why_it_works",
    "papers_list",
    "statistics_watched",
]


def main() -> None:
    """Run the scripts one after the other, and say how long each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCRIPTS))
    parser.add_argument("--short", action="store_true", help="as the scripts' own")
    parser.add_argument("--store", type=Path, default=STORE, help="where to")
    arguments = parser.parse_args()
    unknown = sorted({*arguments.names} - {*SCRIPTS})
    if unknown:
        parser.error(
            f"no such script. Received: {', '.join(unknown)}. There are "
            f"{', '.join(SCRIPTS)}"
        )
    arguments.store.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or SCRIPTS:
        seconds, processor = run(name, arguments.store, arguments.short)
        print(f"{name}: {seconds:.0f} s, {processor:.0f} s of processor", flush=True)


def run(name: str, store: Path, short: bool) -> tuple[float, float]:
    """Run one script; give the seconds, and those of the processor."""
    start, before = time.perf_counter(), _processor()
    picture = store / f"{name}.png"
    command = [sys.executable, HERE / f"{name}.py", "--picture", picture]
    done = subprocess.run(
        [*command, *["--short"] * short], stdout=subprocess.PIPE, check=True
    )
    (store / f"{name}.txt").write_bytes(done.stdout)
    return time.perf_counter() - start, _processor() - before


def _processor() -> float:
    used = os.times()
    return used.children_user + used.children_system


if __name__ == "__main__":
    main()
