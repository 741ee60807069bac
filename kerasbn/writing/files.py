"""Files and folders that appear whole or not at all, in place of nothing unasked."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kerasbn.errors import UnusableFileError
from kerasbn.writing.interrupting import (
    uninterrupted,
    uninterruptible_from_now_on,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONGEST_SUFFIX = 20


@contextmanager
def replacing(
    destination: Path,
    *,
    force: bool = True,
    what: str = "file",
    apart_from: Path | None = None,
    is_last: bool = False,
) -> Iterator[Path]:
    """A temporary file beside `destination` that takes its place when all went well.

    A link stays one, and leads to the new file. A file that is replaced keeps its
    permissions, its other names and, as far as the user may, its owner. Devices, pipes
    and sockets are never replaced.

    Args:
        destination: the file.
        force: whether what is there, or appears meanwhile, is replaced.
        what: what it is called in messages.
        apart_from: a file whose content stays even if it is another name of the same.
        is_last: whether a command that is interrupted after this has done its work.

    Raises:
        UnusableFileError: if it may not be replaced, or the folder or the disk does
            not take it. Nothing was written then.
    """
    with _explained(destination, what):
        place = _real(destination)
        check_place(destination, force=force, what=what)
        temporary = _beside(place)
        try:
            # A copy of what others may not read is not for them, either.
            mode = 0o600 if place.exists() else 0o666
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            yield temporary
            check_place(destination, force=force, what=what)
            _put(temporary, place, force, apart_from)
            if is_last:
                uninterruptible_from_now_on()
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(
    destination: Path,
    *,
    force: bool,
    what: str,
    is_one: Callable[[Path], bool],
    is_last: bool = False,
) -> Iterator[Path]:
    """A temporary folder beside `destination` that takes its place when all went well.

    Args:
        destination: the folder.
        force: whether a folder that is there is replaced.
        what: what it is called in messages.
        is_one: whether a folder is of the kind that may be replaced; whatever else is
            there stays.
        is_last: whether a command that is interrupted after this has done its work.

    Raises:
        UnusableFileError: if it may not be replaced, or the disk does not take it.
            Nothing was written then.
    """
    with _explained(destination, what):
        place = _real(destination)
        check_folder(destination, force=force, what=what, is_one=is_one)
        temporary, old = _beside(place), _beside(place)
        try:
            temporary.mkdir()
            yield temporary
            check_folder(destination, force=force, what=what, is_one=is_one)
            with uninterrupted():
                if place.exists():
                    _give_likeness(place, temporary)
                    place.rename(old)
                try:
                    temporary.rename(place)  # It replaces no folder that is not empty.
                except OSError:
                    if old.exists():
                        old.rename(place)
                    raise
                if is_last:
                    uninterruptible_from_now_on()
        finally:
            for folder in (temporary, old):
                shutil.rmtree(folder, ignore_errors=True)


def check_place(destination: Path, *, force: bool, what: str = "file") -> None:
    """Refuse to write where something is that must stay.

    Raises:
        UnusableFileError: if there is a device, a pipe, a socket or a folder, or,
            without `force`, anything at all.
    """
    found = _status(_real(destination))
    if found is None:
        return
    if stat.S_ISDIR(found.st_mode):
        raise _unwritten(what, os.strerror(errno.EISDIR), destination)
    if not stat.S_ISREG(found.st_mode):
        raise UnusableFileError(
            f"The {what} would replace a device, a pipe, a socket or a broken link. "
            f"Received: {destination}. Nothing was written; choose another place."
        )
    if not force:
        raise _exists(what, destination)


def check_folder(
    destination: Path, *, force: bool, what: str, is_one: Callable[[Path], bool]
) -> None:
    """Refuse to write a folder where something is that must stay.

    Raises:
        UnusableFileError: if there is anything but a folder of the kind, or, without
            `force`, anything at all.
    """
    place = _real(destination)
    if _status(place) is None:
        return
    if place.is_dir() and not force:
        raise _exists(what, destination)
    with _explained(destination, what):
        may_go = place.is_dir() and (not any(place.iterdir()) or is_one(place))
    if not may_go:
        raise UnusableFileError(
            f"The {what} would replace something else. Received: {destination}. "
            "Nothing was written; choose another place."
        )


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, or would once it is there."""
    with suppress(OSError):
        return one.samefile(other)
    return _real(one) == _real(other)


def _real(path: Path) -> Path:
    """Where a path leads, by way of links; they may lead nowhere."""
    return Path(os.path.realpath(path))


def _beside(place: Path) -> Path:
    """A path that is free. It is known before anything is there, and so cleaned up."""
    suffix = place.suffix if len(place.suffix) <= _LONGEST_SUFFIX else ""
    return place.with_name(f".kerasbn-{os.urandom(8).hex()}{suffix}")


def _status(place: Path) -> os.stat_result | None:
    """What is there; None too where writing will say what is wrong."""
    try:
        return place.lstat()
    except OSError:
        return None


def _put(temporary: Path, place: Path, force: bool, apart_from: Path | None) -> None:
    if not force:
        _put_new(temporary, place)
        return
    old = _status(place)
    if old is None:
        temporary.replace(place)
        return
    keeps_names = old.st_nlink > 1 and not _is_other_name(apart_from, place)
    if keeps_names or not _give_likeness(place, temporary):
        with suppress(PermissionError):
            _overwrite(place, temporary)
            return
    try:
        temporary.replace(place)
    except PermissionError:  # Another's file in a folder like /tmp; it may be open.
        _overwrite(place, temporary)


def _is_other_name(path: Path | None, place: Path) -> bool:
    return path is not None and _real(path) != place and is_same_file(path, place)


def _put_new(temporary: Path, place: Path) -> None:
    """Give the file its name, unless somebody else has taken it."""
    is_ours = False
    try:
        with uninterrupted():
            place.open("xb").close()  # It replaces no file, as a rename alone does.
            is_ours = True
        temporary.replace(place)
    except BaseException:
        if is_ours:
            place.unlink()
        raise


def _give_likeness(old: Path, new: Path) -> bool:
    """Give a file or folder the owner and the permissions of another.

    False if the owner cannot be given.
    """
    status = old.stat()
    try:
        if hasattr(os, "chown"):
            mine = new.stat()
            if (mine.st_uid, mine.st_gid) != (status.st_uid, status.st_gid):
                os.chown(new, status.st_uid, status.st_gid)
        has_owner = True
    except PermissionError:
        has_owner = False
    shutil.copystat(old, new)
    os.utime(new)
    return has_owner


def _overwrite(place: Path, temporary: Path) -> None:
    """Write into the file that is there, which so stays the same file."""
    size = temporary.stat().st_size
    with (
        temporary.open("rb") as source,
        place.open("r+b") as target,
        uninterrupted(),
    ):
        before = place.stat().st_size
        if size > before and hasattr(os, "posix_fallocate"):
            try:  # A full disk must show before anything is overwritten.
                os.posix_fallocate(target.fileno(), 0, size)
            except OSError:
                target.truncate(before)
                raise
        shutil.copyfileobj(source, target)
        target.truncate(size)


@contextmanager
def _explained(destination: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise _exists(what, destination) from error
        raise _unwritten(what, error.strerror or str(error), destination) from error


def _exists(what: str, destination: Path) -> UnusableFileError:
    return UnusableFileError(
        f"The {what} exists. Received: {destination}. Choose another name, or allow it "
        "to be replaced with --force (force=True)."
    )


def _unwritten(what: str, reason: str, destination: Path) -> UnusableFileError:
    return UnusableFileError(
        f"The {what} cannot be written: {reason}. Received: {destination}. Nothing was "
        "written; choose another place."
    )
