"""Work with a file in a process that can be ended.

The HDF5 library can loop for ever, or crash, on a few changed bytes
(HDFGroup/hdf5#1707, h5py/h5py#2088), and Python can neither interrupt nor survive that.
So another process does the work and returns the result. A fork costs milliseconds, but
is safe only where no other thread runs. NumPy and h5py are not needed here: with a
single file, only the fork loads them.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, cast

from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CRASH",
    "PATIENCE",
    "SECONDS",
    "UnusableFileError",
    "has_computed_too_long",
    "in_fork",
    "is_isolated",
    "isolated",
    "late",
    "limit_processor_time",
    "may_fork",
]

T = TypeVar("T")

SECONDS = 10
"""How much processor time it may take: many times what the largest models need."""

PATIENCE = 25
"""How many seconds it may take in all, even on a busy machine."""

CRASH = "the HDF5 library crashes on it"

# They run threads of their own, which `threading` does not list.
_WITH_THREADS = ("tensorflow", "jax", "torch")

_is_isolated = False


def isolated(function: Callable[[], T]) -> T:
    """Call a function in a process of its own, if one can be forked here.

    Args:
        function: reads files, but changes nothing here.

    Returns:
        What it returns, which must be possible to pickle.

    Raises:
        UnusableFileError: if it does not end within the time, or the process crashes.
    """
    if not may_fork():
        return function()
    said = in_fork(lambda: pickle.dumps(_outcome(function)))
    if isinstance(said, str):
        raise UnusableFileError(f"The file cannot be read: {said}. It is damaged.")
    value, error = pickle.loads(said)
    if error is not None:
        raise error
    return cast("T", value)


def is_isolated() -> bool:
    """Whether this is such a process, which its waiting parent ends."""
    return _is_isolated


def may_fork() -> bool:
    """Whether this process can be forked without harm."""
    alone = threading.active_count() == 1
    return (
        alone and hasattr(os, "fork") and not any(map(sys.modules.get, _WITH_THREADS))
    )


def in_fork(function: Callable[[], bytes]) -> bytes | str:
    """Return the result of a function in a forked process, or why there is none."""
    global _is_isolated
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # Nothing here may return, or run the parent's code.
        try:
            _is_isolated = True
            limit_processor_time()
            os.close(reading)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            with open(writing, "wb") as answer:  # noqa: PTH123 - a descriptor
                answer.write(function())
        finally:
            os._exit(0)
    os.close(writing)
    said, end = b"", time.monotonic() + PATIENCE
    try:
        while select.select([reading], [], [], max(0, end - time.monotonic()))[0]:
            more = os.read(reading, 2**16)
            if not more:
                break
            said += more
        else:
            return late()
    finally:
        os.close(reading)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return late() if has_computed_too_long(status) else said or CRASH


def limit_processor_time() -> None:
    """End this process once it has computed for `SECONDS` more, on Unix."""
    with suppress(ImportError):
        import resource

        so_far = int(time.process_time()) + 1
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (so_far + SECONDS, most))


def has_computed_too_long(exit_status: int | None) -> bool:
    """Whether a process that left with this status was ended by that limit."""
    return hasattr(signal, "SIGXCPU") and exit_status == -signal.SIGXCPU


def late() -> str:
    """Return the message for a process that did not answer in time."""
    return f"the HDF5 library did not return after {SECONDS} s"


def _outcome(function: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return function(), None
    except Exception as error:
        return None, error
