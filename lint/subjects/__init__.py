"""The subjects of a check: each target is opened as a model, a module, or as unread."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib.util import LazyLoader, find_spec, module_from_spec
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from .files import MODEL, NOTEBOOK, SOURCE
from .roots import Roots
from .unread import Unread, UnreadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from types import ModuleType
    from typing import TypeAlias

    from .model import Model
    from .source import Module, Project

    Subject: TypeAlias = Model | Module

__all__ = ["Opener", "Unread", "UnreadError"]

# Neighbouring files are mostly of one project, so that few need be kept.
_PROJECTS_KEPT = 4
_LFS = b"version https://git-lfs.github.com/spec/"


if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        """Load the package `source` on first use: models do without it."""
        spec = find_spec(f"{__name__}.{name}") if name == "source" else None
        if spec is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        spec.loader = LazyLoader(spec.loader)
        module = sys.modules[spec.name] = globals()[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


class Opener:
    """An opener of files; sources of one project share their imports.

    Args:
        keras_version: the version that the source is written for, if the user set it.
        targets: the files and folders that are linted; any if there are none.
        leaves_out: whether a file in those folders is not linted.
    """

    def __init__(
        self,
        keras_version: str | None = None,
        targets: Iterable[Path] = (),
        leaves_out: Callable[[Path], bool] = lambda _: False,
    ) -> None:
        self._keras_version = keras_version
        self._leaves_out = leaves_out
        self._projects: dict[Path, Project] = {}
        self._targets = {target.resolve() for target in targets}
        self._roots = Roots(target for target in self._targets if target.is_dir())

    @contextmanager
    def open(self, path: Path) -> Iterator[Subject]:
        """Open the subject in a file, for as long as it is needed.

        Raises:
            UnreadError: at once or later, if the file cannot be read.
        """
        suffix = path.suffix.lower()
        _check_exists(path)
        if path.is_dir():
            suffix = MODEL[0]  # A model that is not a file, whatever its name.
        if suffix in (*SOURCE, *NOTEBOOK):
            module = self.read_source(path)
            yield module
            module.answers.clear()  # They lead back to it, and would outlive it.
        elif suffix in MODEL:
            with _open_model(path) as model:
                yield model
        else:
            raise UnreadError(_unsupported(path))

    def read_source(self, path: Path, data: bytes | None = None) -> Module:
        """Read the source in a file, or the given content in place of it.

        Raises:
            UnreadError: if it cannot be read.
        """
        from .source import UnreadableSource, module_from_bytes, read_module

        project, version = self._project(path), self._keras_version
        try:
            if data is None:
                return read_module(path, project, keras_version=version)
            return module_from_bytes(data, path, project, version)
        except UnreadableSource as error:
            raise UnreadError(
                Unread(str(path), error.message, error.line, error.column, error.cell)
            ) from error
        except OSError as error:
            raise _unread(
                path, f"The file cannot be opened: {error.strerror}."
            ) from error

    def _is_linted(self, path: Path) -> bool:
        """Whether a file is one of the targets, or below one and not left out."""
        if not self._targets or path in self._targets:
            return True
        return not self._targets.isdisjoint(path.parents) and not self._leaves_out(path)

    def _project(self, path: Path) -> Project:
        from .source import Project

        root = self._roots.of(path.resolve().parent)
        if root not in self._projects:
            if len(self._projects) == _PROJECTS_KEPT:
                self._projects.pop(next(iter(self._projects))).close()
            self._projects[root] = Project(root, self._is_linted)
        return self._projects[root]


def _check_exists(path: Path) -> None:
    """Check that there is a file or a folder; reading anything else may never end.

    Raises:
        UnreadError: if there is not.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise _unread(path, "No such file. Check the path.") from None
    except OSError as error:
        raise _unread(path, f"The file cannot be opened: {error.strerror}.") from error
    if not (S_ISREG(mode) or S_ISDIR(mode)):
        raise _unread(
            path, "Not a regular file, but a pipe, socket or device. Name a file."
        )


@contextmanager
def _open_model(path: Path) -> Iterator[Model]:
    if _begins_with(path, _LFS):
        raise _unread(
            path, "Only a Git LFS pointer, not the file itself. Run git lfs pull."
        )
    from .saved_model import open_saved_model  # Loads NumPy and h5py.

    with open_saved_model(path) as model:
        yield model


def _begins_with(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(start)) == start
    except OSError:
        return False  # The reader of the file says why it cannot be read.


def _unread(path: Path, reason: str) -> UnreadError:
    return UnreadError(Unread(str(path), reason))


def _unsupported(path: Path) -> Unread:
    known = ", ".join((*SOURCE, *NOTEBOOK, *MODEL))
    return Unread(
        str(path),
        f"This format is not supported. Received: {path.suffix or path.name!r}; "
        f"supported: {known}. A Keras model can be saved with "
        "model.save('model.keras').",
        supported=False,
    )
