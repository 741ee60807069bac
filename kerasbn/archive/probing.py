"""Reading of files in a process that can be killed.

The HDF5 library can loop forever, or crash, on a few changed bytes (HDFGroup/hdf5#1707,
h5py/h5py#2088), and Python can neither interrupt nor survive that. So either another
process does all the work with a file and returns the result (`isolated`), or another
process reads the structure once before this one does (`complaint`). A fork costs
milliseconds, but is safe only if no other thread runs; otherwise one process is started
and kept.
"""

from __future__ import annotations

import atexit
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar, cast

import h5py
import numpy as np

from kerasbn.archive.member_view import MemberView
from kerasbn.errors import UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SECONDS = 10
"""The time limit, many times what the largest models need."""

# These run threads of their own, which `threading` does not know about.
_WITH_THREADS = ("tensorflow", "jax", "torch")
# Compressed arrays are read through an index that may be damaged as well.
_MOST_READ = 2**24
_READY = "sound"
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from kerasbn.archive.probing import serve; serve()"
)


class Stretch(NamedTuple):
    """The place of the HDF5 data: bytes of a file, or all if `size` is negative."""

    path: str
    start: int = 0
    size: int = -1


_isolated = False


def isolated(function: Callable[[], T]) -> T:
    """Call a function in a separate process, if one can be forked here.

    Args:
        function: reads files, but changes nothing in this process.

    Returns:
        Its result, which must be picklable.

    Raises:
        UnusableFileError: if it does not end within the time, or the process crashes.
    """
    if not _may_fork():
        return function()
    said = _in_fork(lambda: pickle.dumps(_outcome(function)))
    if isinstance(said, str):
        raise UnusableFileError(f"The file cannot be read: {said}. It is damaged.")
    value, error = pickle.loads(said)
    if error is not None:
        raise error
    return cast("T", value)


def _outcome(function: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return function(), None
    except Exception as error:
        return None, error


def complaint(source: str | BinaryIO, place: Stretch | None) -> str | None:
    """Return what is wrong with an HDF5 file: damage, or a failure of the library.

    Args:
        source: the file, to be opened in a forked process.
        place: its place, for a process that cannot inherit it; None if it has none.

    Returns:
        None if it can be read.
    """
    if _isolated:
        return None  # Another process waits for this one, and ends it if need be.
    if _may_fork():
        said = _in_fork(lambda: _verdict(source).encode())
        return said if isinstance(said, str) else _found(said.decode())
    if place is None:
        return None
    # That process may have been started in another folder than the current one.
    return _SERVER.complaint(place._replace(path=str(Path(place.path).absolute())))


def _may_fork() -> bool:
    alone = threading.active_count() == 1
    return (
        alone and hasattr(os, "fork") and not any(map(sys.modules.get, _WITH_THREADS))
    )


def _read(source: Any) -> None:
    """Read the whole structure; raise an error for anything that is wrong."""
    with h5py.File(source, "r") as root:
        paths: list[bytes] = [b"."]
        h5py.h5o.visit(root.id, paths.append)
        for path in paths:
            item = h5py.h5o.open(root.id, path)
            for number in range(h5py.h5a.get_num_attrs(item)):
                _read_attribute(h5py.h5a.open(item, index=number))
            if isinstance(item, h5py.h5d.DatasetID):
                _read_dataset(item)


def _read_attribute(attribute: Any) -> None:
    with suppress(TypeError):  # A type that NumPy lacks; it is never read.
        values = np.empty(attribute.shape or (), attribute.dtype)
        if attribute.get_space().get_simple_extent_type() != h5py.h5s.NULL:
            attribute.read(values)


def _read_dataset(dataset: Any) -> None:
    with suppress(TypeError):
        size = dataset.get_storage_size()
        chunked = dataset.get_create_plist().get_layout() == h5py.h5d.CHUNKED
        items = dataset.get_space().get_simple_extent_npoints()
        if chunked and max(size, items * dataset.dtype.itemsize) <= _MOST_READ:
            h5py.Dataset(dataset)[()]


def _verdict(source: Any) -> str:
    """Return `sound`, or h5py's complaint; raise any other error."""
    try:
        _read(source)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:500]
    return _READY


def _in_fork(function: Callable[[], bytes]) -> bytes | str:
    """Return the result of a function in a forked process, or why there is none."""
    global _isolated
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # Nothing here may return, or run the parent's code.
        try:
            _isolated = True
            os.close(reading)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            with open(writing, "wb") as answer:  # noqa: PTH123 - a descriptor
                answer.write(function())
        finally:
            os._exit(0)
    os.close(writing)
    said, end = b"", time.monotonic() + SECONDS
    try:
        while select.select([reading], [], [], max(0, end - time.monotonic()))[0]:
            more = os.read(reading, 2**16)
            if not more:
                return said or _CRASH
            said += more
        return _LATE
    finally:
        os.close(reading)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


_CRASH = "the HDF5 library crashes on it"
_LATE = f"the HDF5 library did not return within {SECONDS} s"


def _found(said: str) -> str | None:
    return None if said == _READY else said


class _Server:
    """A separate process that reads one file after the other."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def complaint(self, place: Stretch) -> str | None:
        """Return what is wrong with a file; None if nothing is."""
        # That process stays in the folder where it was started.
        place = place._replace(path=str(Path(place.path).absolute()))
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            late = threading.Event()
            timer = threading.Timer(SECONDS, _end, (process, late))
            try:
                process.stdin.write(json.dumps(place) + "\n")
                process.stdin.flush()
                timer.start()
                line = process.stdout.readline()
            except OSError:  # It has ended in the meantime.
                line = ""
            finally:
                timer.cancel()
            if not line:
                self.close()
            if line:
                return _found(json.loads(line))
            return _LATE if late.is_set() else _CRASH

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                errors="surrogateescape",
            )
            line = self._process.stdout.readline() if self._process.stdout else ""
            if not line:
                self.close()
                raise OSError("no process can be started to read the file")
        return self._process

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _end(process: subprocess.Popen[str], late: threading.Event) -> None:
    late.set()
    process.kill()


_SERVER = _Server()
atexit.register(_SERVER.close)


def _open(place: Stretch) -> Any:
    if place.size < 0:
        return place.path
    file = Path(place.path).open("rb", buffering=0)  # noqa: SIM115 - until the next
    return MemberView(file, place.start, place.size)


def serve() -> None:
    """Read the files named on standard input, and print what is wrong with each."""
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            said = _verdict(_open(Stretch(*json.loads(line))))
        except OSError as error:
            said = str(error)
        print(json.dumps(said), flush=True)
