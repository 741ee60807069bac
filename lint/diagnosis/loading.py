"""The model of the command: from a file, or from `package.module:name`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbn.archive import UnusableFileError, open_archive
from kerasbn.graph import Trust, unknown_parts
from kerasbn.starting import import_modules, load_keras

from ..errors import UsageError
from ..subjects.imported import import_model, is_reference, refuse_file_reference

if TYPE_CHECKING:
    from collections.abc import Sequence


def load_model(target: str, modules: Sequence[str]) -> Any:
    """Load or import the live model.

    Args:
        target: a file, or `package.module:name`, which runs the module's code.
        modules: modules to import first, because they define classes of the model.

    Raises:
        UsageError: if it is missing, or its file asks for unknown code.
    """
    custom = _started(modules)
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
    except Exception as error:  # Keras raises errors of any kind.
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise UsageError(
            f"Keras cannot load the model: {lines[0] if lines else error!r} "
            f"Received: {path}."
        ) from error


def _check(parts: list[Any], custom: dict[str, Any], path: Path) -> None:
    """Refuse anything that is not known to be harmless, before anything is loaded.

    Args:
        parts: the configurations of the model and of its training.
        custom: the imported names.
        path: the file.

    Raises:
        UsageError: if there is such a thing.
    """
    import keras

    registered = custom.keys() | keras.saving.get_custom_objects().keys()
    if unknown := unknown_parts(parts, Trust(frozenset(registered))):
        raise UsageError(
            f"The file is not loaded, because {unknown[0]}, which is not known to be "
            f"harmless. Received: {path}. Name the module that defines it with "
            "--import MODULE; or, if you trust the file, load it yourself and call "
            "lint.diagnose(model, x, y)."
        )


def _started(names: Sequence[str]) -> dict[str, Any]:
    """Import Keras and the modules; return what these define, by name.

    Raises:
        UsageError: if that fails.
    """
    try:
        load_keras("To diagnose a model")
        modules = import_modules(names)
    except ImportError as error:
        raise UsageError(str(error)) from error
    return {
        key: value
        for module in modules
        for key, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and callable(value)
    }
