"""The model of the command: from a file, or from `package.module:name`."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbn.archive import UnusableFileError, open_archive
from kerasbn.graph import Trust, unknown_parts
from kerasbn.starting import import_modules, load_keras

from ..errors import UsageError
from ..subjects.imported import import_model, is_reference, refuse_file_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_COMPILED = ("loss", "metrics", "weighted_metrics")


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
            steps = archive.iterations()
    except UnusableFileError as error:
        raise UsageError(str(error)) from error
    _check(parts, custom, path)
    try:
        return _load(path, parts[1], steps, custom)
    except Exception as error:  # Keras raises errors of any kind.
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise UsageError(
            f"Keras cannot load the model: {lines[0] if lines else error!r} "
            f"Received: {path}."
        ) from error


def _load(path: Path, compiled: Any, steps: int | None, custom: dict[str, Any]) -> Any:
    """Load a model; compile it here if Keras cannot, and all losses are only names.

    Keras saves the loss "mse" in a legacy file, and fails to load it from there.
    """
    import keras

    load = partial(keras.models.load_model, path, custom_objects=custom, safe_mode=True)
    names = {key: (compiled or {}).get(key) for key in _COMPILED}
    try:
        return load()
    except Exception:  # Keras raises errors of any kind.
        if not any(names.values()) or not all(map(_is_by_name, names.values())):
            raise
    model = load(compile=False)
    with keras.saving.custom_object_scope(custom):
        model.compile(**names)
    model.optimizer.iterations.assign(steps or 0)
    return model


def _is_by_name(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_by_name, value))
    return value is None or isinstance(value, str)


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
    unknown = [
        f"{part}, which is not known to be harmless"
        for part in unknown_parts(parts, Trust(frozenset(registered)))
    ]
    unknown += [
        f"it was compiled with {name!r}, which Keras does not know"
        for part in parts
        for name in _compiled_with(part)
        if name not in registered and not _is_of_keras(name)
    ]
    if unknown:
        raise UsageError(
            f"The file is not loaded, because {unknown[0]}. Received: {path}. Name the "
            "module that defines it with --import MODULE; or, if you trust the file, "
            "load it yourself and call lint.diagnose(model, x, y)."
        )


def _compiled_with(part: Any) -> Iterator[str]:
    """Yield the losses and metrics that a legacy file gives by name alone."""
    if not isinstance(part, dict) or "optimizer_config" not in part:
        return
    pending = [part.get(key) for key in _COMPILED]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, dict) and "class_name" not in value:
            pending += value.values()


def _is_of_keras(name: str) -> bool:
    """Whether it is the name of one of Keras' losses or metrics."""
    import keras

    if name in ("accuracy", "acc", "crossentropy", "ce"):
        return True
    for kind in (keras.losses, keras.metrics):
        with suppress(ValueError):
            return kind.get(name) is not None
    return False


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
