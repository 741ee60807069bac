"""Files and folders that appear whole or not at all, and replace nothing unasked."""

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
    label: str = "file",
    apart_from: Path | None = None,
    is_last: bool = False,
) -> Iterator[Path]:
    """Yield a temporary file next to `destination` that replaces it on success.

    A link stays one, and leads to the new file. A file that is replaced keeps its
    permissions, its other names and, as far as the user is allowed, its owner. Devices,
    pipes and sockets are never replaced.

    Args:
        destination: the file.
        force: whether to replace a file that exists, or appears meanwhile.
        label: its name in messages.
        apart_from: a file whose content stays even if it is another name of the same.
        is_last: whether a command that is interrupted after this has done its work.

    Raises:
        UnusableFileError: if it must not be replaced, or cannot be written in the
            folder or on the disk. Nothing was written then.
    """
    with _explained(destination, label):
        place = _real(destination)
        check_place(destination, force=force, label=label)
        temporary = _beside(place)
        try:
            # A copy of a private file must be private, too.
            mode = 0o600 if place.exists() else 0o666
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            yield temporary
            check_place(destination, force=force, label=label)
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
    label: str,
    is_one: Callable[[Path], bool],
    is_last: bool = False,
) -> Iterator[Path]:
    """Yield a temporary folder next to `destination` that replaces it on success.

    Args:
        destination: the folder.
        force: whether to replace a folder that exists.
        label: its name in messages.
        is_one: whether a folder is of the kind that may be replaced; anything else
            stays.
        is_last: whether a command that is interrupted after this has done its work.

    Raises:
        UnusableFileError: if it must not be replaced, or cannot be written. Nothing was
            written then.
    """
    with _explained(destination, label):
        place = _real(destination)
        check_folder(destination, force=force, label=label, is_one=is_one)
        temporary, old = _beside(place), _beside(place)
        try:
            temporary.mkdir()
            yield temporary
            check_folder(destination, force=force, label=label, is_one=is_one)
            with uninterrupted():
                if place.exists():
                    _give_likeness(place, temporary)
                    place.rename(old)
                try:
                    temporary.rename(place)  # It replaces only an empty folder.
                except OSError:
                    if old.exists():
                        old.rename(place)
                    raise
                if is_last:
                    uninterruptible_from_now_on()
        finally:
            for folder in (temporary, old):
                shutil.rmtree(folder, ignore_errors=True)


def check_place(destination: Path, *, force: bool, label: str = "file") -> None:
    """Refuse to overwrite anything that must stay.

    Raises:
        UnusableFileError: if there is a device, a pipe, a socket or a folder, or,
            without `force`, anything at all.
    """
    found = _status(_real(destination))
    if found is None:
        return
    if stat.S_ISDIR(found.st_mode):
        raise _unwritten(label, os.strerror(errno.EISDIR), destination)
    if not stat.S_ISREG(found.st_mode):
        raise UnusableFileError(
            f"The {label} would replace a device, a pipe, a socket or a broken link. "
            f"Received: {destination}. Nothing was written; choose another place."
        )
    if not force:
        raise _exists(label, destination)


def check_writable(destination: Path, *, force: bool, label: str) -> None:
    """Refuse what `replacing` would refuse, before any work is done.

    Raises:
        UnusableFileError: see there.
    """
    import tempfile  # It takes long, and few need it.

    check_place(destination, force=force, label=label)
    with _explained(destination, label):
        tempfile.TemporaryFile(dir=_real(destination).parent).close()


def check_folder(
    destination: Path, *, force: bool, label: str, is_one: Callable[[Path], bool]
) -> None:
    """Refuse to replace anything that must stay by a folder.

    Raises:
        UnusableFileError: if there is anything but a folder of the kind, or, without
            `force`, anything at all.
    """
    place = _real(destination)
    if _status(place) is None:
        return
    if place.is_dir() and not force:
        raise _exists(label, destination)
    with _explained(destination, label):
        may_go = place.is_dir() and (not any(place.iterdir()) or is_one(place))
    if not may_go:
        raise UnusableFileError(
            f"The {label} would replace something else. Received: {destination}. "
            "Nothing was written; choose another place."
        )


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, or would once it exists."""
    with suppress(OSError):
        return one.samefile(other)
    return _real(one) == _real(other)


def _real(path: Path) -> Path:
    """Return the target of a path with links, which may not exist."""
    return Path(os.path.realpath(path))


def _beside(place: Path) -> Path:
    """Return a free path; it is known before it is used, and can so be cleaned up."""
    suffix = place.suffix if len(place.suffix) <= _LONGEST_SUFFIX else ""
    return place.with_name(f".kerasbn-{os.urandom(8).hex()}{suffix}")


def _status(place: Path) -> os.stat_result | None:
    """Return the status of a path; None also if writing will report the problem."""
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
    except PermissionError:  # Someone else's file in /tmp or the like; maybe writable.
        _overwrite(place, temporary)


def _is_other_name(path: Path | None, place: Path) -> bool:
    return path is not None and _real(path) != place and is_same_file(path, place)


def _put_new(temporary: Path, place: Path) -> None:
    """Give the file its name, unless the name has been taken."""
    is_ours = False
    try:
        with uninterrupted():
            place.open("xb").close()  # Unlike a rename, it replaces no file.
            is_ours = True
        temporary.replace(place)
    except BaseException:
        if is_ours:
            place.unlink()
        raise


def _give_likeness(old: Path, new: Path) -> bool:
    """Give a file or folder the owner and the permissions of another.

    Return False if the owner cannot be given.
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
    """Write into the existing file, which so keeps its identity."""
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
def _explained(destination: Path, label: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise _exists(label, destination) from error
        raise _unwritten(label, error.strerror or str(error), destination) from error


def _exists(label: str, destination: Path) -> UnusableFileError:
    return UnusableFileError(
        f"The {label} already exists. Received: {destination}. Choose another name, or "
        "allow it to be replaced with --force (force=True)."
    )


def _unwritten(label: str, reason: str, destination: Path) -> UnusableFileError:
    return UnusableFileError(
        f"The {label} cannot be written: {reason}. Received: {destination}. Nothing "
        "was written; choose another place."
    )
