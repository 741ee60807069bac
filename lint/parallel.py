"""Checks of many files in parallel, if that pays."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from .errors import UsageError
from .linter import Linter, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .config import Config

# With fewer, starting a process takes about as long as it saves.
_FEWEST_EACH = 100
# Neighbouring files import each other, and a process reads an import only once.
_CHUNK = 25
# So often, in seconds, a process looks whether the one that started it is there.
_EVERY = 1.0


def check_files(
    files: Sequence[Path], linter: Linter, config: Config, jobs: int
) -> Iterator[Result]:
    """The result of each file, in order; by `linter`, or by several with `config`.

    Raises:
        UsageError: if one of several processes crashes.
    """
    jobs = min(jobs, len(files) // _FEWEST_EACH)
    if jobs < 2:
        return map(linter.check_file, files)
    return _in_processes(files, config, jobs)


def _in_processes(files: Sequence[Path], config: Config, jobs: int) -> Iterator[Result]:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # Forking a process with threads may hang; a new one cannot.
    context = get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _start, (config,))
    try:
        yield from pool.map(_check, files, chunksize=_CHUNK)
    except BrokenProcessPool as error:
        raise UsageError(
            "A process of the linter crashed. The HDF5 library may crash on a damaged "
            "model file; lint the model files one by one to find it.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_linter: Linter


def _start(config: Config) -> None:
    global _linter
    for name in ("SIGINT", "SIGHUP"):  # The parent ends the run.
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _end_with_parent()
    _linter = Linter(config)


def _end_with_parent() -> None:
    """End this process soon after its parent, which may be killed.

    A process that waits for work holds both ends of the pipe that it waits on, so that
    it never ends by itself. A thread that watches would keep it from forking, see
    `kerasbn.isolation.may_fork`.
    """
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is None or not hasattr(signal, "setitimer"):
        return

    def end_if_alone(*_: object) -> None:
        if os.getppid() != parent.pid:
            os._exit(1)

    signal.signal(signal.SIGALRM, end_if_alone)
    signal.setitimer(signal.ITIMER_REAL, _EVERY, _EVERY)


def _check(path: Path) -> Result:
    return _linter.check_file(path)
