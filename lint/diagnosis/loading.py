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

from ..errors import UsageError
from ..subjects.imported import import_model, is_reference, refuse_file_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BACKENDS = ("tensorflow", "jax", "torch")
# Where the classes and functions of a file may be, below keras or keras.src: all that
# computes, and nothing that reads, writes or loads.
_HARMLESS = (
    "activations",
    "constraints",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "quantizers",
    "regularizers",
)
_RUNS_ANYTHING = {"Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"}


def load_model(target: str, modules: Sequence[str]) -> Any:
    """The live model.

    Args:
        target: a file, or `package.module:name`, which runs the module's code.
        modules: to import first, since they define classes of the model.

    Raises:
        UsageError: if there is none, or its file asks for code of others.
    """
    _load_keras()
    _import_all(modules)
    path = Path(target)
    if not os.path.lexists(target):
        refuse_file_reference(target)
        if is_reference(target):
            return import_model(target).live
    try:
        with open_archive(path) as archive:
            _check_config(archive.config, path)
    except UnusableFileError as error:
        raise UsageError(str(error)) from error
    return _load(path)


def _load(path: Path) -> Any:
    import keras

    try:
        return keras.models.load_model(path, safe_mode=True)
    except Exception as error:  # Keras raises what it likes.
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise UsageError(
            f"Keras cannot load the model: {lines[0] if lines else error!r} "
            f"Received: {path}."
        ) from error


def _check_config(value: Any, path: Path) -> None:
    """Refuse what is not Keras' own or was not imported, before anything is loaded.

    Keras' safe mode refuses code, but lets a file name any public function of Keras,
    some of which write files.

    Raises:
        UsageError: if there is any such thing.
    """
    if isinstance(value, list):
        for each in value:
            _check_config(each, path)
    elif isinstance(value, dict):
        if "class_name" in value and ("config" in value or "module" in value):
            _check_object(value, path)
        for each in value.values():
            _check_config(each, path)


def _check_object(value: dict[str, Any], path: Path) -> None:
    import keras

    name, module = value["class_name"], value.get("module")
    registered = value.get("registered_name")
    known = [each for each in (registered, name) if isinstance(each, str)]
    if isinstance(name, str) and name in _RUNS_ANYTHING and _is_keras(module):
        raise UsageError(
            f"A layer of the class {name} may run anything, so the file is not loaded. "
            f"Received: {path}. If you trust it, load it yourself and call "
            "lint.diagnose(model, x, y), or name it as package.module:name."
        )
    if any(keras.saving.get_registered_object(each) for each in known):
        return
    if not (_is_keras(module) or module == "builtins"):
        raise UsageError(
            f"The model has the class or function {registered or name!r}, which is not "
            f"Keras' own. Received: {path}. Name the module that defines it with "
            "--import MODULE."
        )


def _is_keras(module: Any) -> bool:
    """Whether it is a part of Keras that only computes; legacy files name none."""
    if module is None:
        return True
    parts = str(module).split(".")
    if parts == ["keras"]:
        return True
    return (
        parts[0] == "keras"
        and parts[1 + (parts[1] == "src") :][:1] != []
        and (parts[1 + (parts[1] == "src")] in _HARMLESS)
    )


def _import_all(modules: Sequence[str]) -> None:
    if modules:
        sys.path.insert(0, str(Path.cwd()))  # Where `python -m` would look first, too.
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:  # The module may raise anything.
            raise UsageError(
                "The module given to --import cannot be imported: "
                f"{type(error).__name__}: {error}. Received: {module}."
            ) from error


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
