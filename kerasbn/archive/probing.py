"""Whether the HDF5 library can read a file, found out by another process.

Unless another process does all the work with the file already (`isolation`), one reads
the structure once before this one does: a fork, or where that is not safe, one that is
started and kept.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np

from kerasbn import isolation
from kerasbn.archive.member_view import MemberView

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


def complaint(source: str | BinaryIO, place: Stretch | None) -> str | None:
    """Return what is wrong with an HDF5 file: damage, or a failure of the library.

    Args:
        source: the file, to be opened in a forked process.
        place: its place, for a process that cannot inherit it; None if it has none.

    Returns:
        None if it can be read.
    """
    if isolation.is_isolated():
        return None  # Another process waits for this one, and ends it if need be.
    if isolation.may_fork():
        said = isolation.in_fork(lambda: _verdict(source).encode())
        return said if isinstance(said, str) else _found(said.decode())
    if place is None:
        return None
    # That process may have been started in another folder than the current one.
    return _SERVER.complaint(place._replace(path=str(Path(place.path).absolute())))


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
            timer = threading.Timer(isolation.PATIENCE, _end, (process, late))
            try:
                process.stdin.write(json.dumps(place) + "\n")
                process.stdin.flush()
                timer.start()
                line = process.stdout.readline()
            except OSError:  # It has ended in the meantime.
                line = ""
            finally:
                timer.cancel()
            if line:
                return _found(json.loads(line))
            self.close()
            if late.is_set() or isolation.has_computed_too_long(process.returncode):
                return isolation.late()
            return isolation.CRASH

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
        isolation.limit_processor_time()
        try:
            said = _verdict(_open(Stretch(*json.loads(line))))
        except OSError as error:
            said = str(error)
        print(json.dumps(said), flush=True)
