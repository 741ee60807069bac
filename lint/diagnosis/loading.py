"""The model of the command: from a file, or by `package.module:name`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbn.archive import UnusableFileError, open_archive
from kerasbn.graph import Trust, unknown_parts

from ..errors import UsageError
from ..subjects.imported import import_model, is_reference, refuse_file_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BACKENDS = ("tensorflow", "jax", "torch")


def load_model(target: str, modules: Sequence[str]) -> Any:
    """The live model.

    Args:
        target: a file, or `package.module:name`, which runs the module's code.
        modules: to import first, since they define classes of the model.

    Raises:
        UsageError: if there is none, or its file asks for code of others.
    """
    _load_keras()
    custom = _import_all(modules)
    path = Path(target)
    if not os.path.lexists(target):
        refuse_file_reference(target)
        if is_reference(target):
            return import_model(target).live
    try:
        with open_archive(path) as archive:
            parts = [archive.config, archive.metadata.get("training_config")]
    except UnusableFileError as error:
        raise UsageError(str(error)) from error
    _check(parts, custom, path)
    return _load(path, custom)


def _load(path: Path, custom: dict[str, Any]) -> Any:
    import keras

    try:
        return keras.models.load_model(path, custom_objects=custom, safe_mode=True)
    except Exception as error:  # Keras raises what it likes.
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise UsageError(
            f"Keras cannot load the model: {lines[0] if lines else error!r} "
            f"Received: {path}."
        ) from error


def _check(parts: list[Any], custom: dict[str, Any], path: Path) -> None:
    """Refuse what is not known to be harmless, before anything is loaded.

    Args:
        parts: the configurations of the model and of its training.
        custom: what was imported.
        path: the file.

    Raises:
        UsageError: if there is any such thing.
    """
    import keras

    registered = custom.keys() | keras.saving.get_custom_objects().keys()
    if unknown := unknown_parts(parts, Trust(frozenset(registered))):
        raise UsageError(
            f"The file is not loaded, since {unknown[0]}, which is not known to be "
            f"harmless. Received: {path}. Name the module that defines it with "
            "--import MODULE; or, if you trust the file, load it yourself and call "
            "lint.diagnose(model, x, y)."
        )


def _import_all(modules: Sequence[str]) -> dict[str, Any]:
    """Import them, and return the classes and functions they define, by their names."""
    if modules:
        sys.path.insert(0, str(Path.cwd()))  # Where `python -m` would look first, too.
    defined = {}
    for name in modules:
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # The module may raise anything.
            raise UsageError(
                "The module given to --import cannot be imported: "
                f"{type(error).__name__}: {error}. Received: {name}."
            ) from error
        for key, value in vars(module).items():
            if getattr(value, "__module__", None) == name and callable(value):
                defined[key] = value
    return defined


def _load_keras() -> None:
    """Import Keras with a backend that is installed; the user's own choice prevails."""
    installed = [name for name in _BACKENDS if importlib.util.find_spec(name)]
    if not installed:
        raise UsageError(
            "A diagnosis runs the model, for which Keras needs a backend. Received: no "
            "tensorflow, jax or torch. Install one (pip install 'kerasbn[tensorflow]')."
        )
    settings = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    if not settings.exists():
        os.environ.setdefault("KERAS_BACKEND", installed[0])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_stderr():
        importlib.import_module("keras")


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what C++ libraries write while they load; errors are raised, not written."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
