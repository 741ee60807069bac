"""Whole processes, from start to exit. Needs a Unix (for `os.wait4`)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Run(NamedTuple):
    """Seconds by the clock, seconds of the processor, and peak memory in MB."""

    wall: float
    processor: float
    peak: float


def run(code: str, *arguments: Path | str, statuses: tuple[int, ...] = (0,)) -> Run:
    """Run a Python program until it ends with one of these statuses."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode not in statuses:
        raise RuntimeError(f"The program failed: {code[:40]!r} with {arguments}")
    return Run(
        wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3
    )  # kB on Linux
