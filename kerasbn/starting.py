"""Preparation before running a model: importing Keras, and a user's modules."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

_BACKENDS = ("tensorflow", "jax", "torch")


def load_keras(purpose: str, instead: str = "") -> None:
    """Import Keras with an installed backend; the user's own choice takes precedence.

    Args:
        purpose: what it is needed for; begins the message.
        instead: what can be done without it; ends the message.

    Raises:
        ImportError: if no backend is installed.
    """
    installed = [name for name in _BACKENDS if importlib.util.find_spec(name)]
    if not installed:
        raise ImportError(
            f"{purpose}, Keras needs a backend. Received: no tensorflow, jax or torch. "
            f"Install one (pip install 'kerasbn[tensorflow]'){instead}."
        )
    settings = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    if not settings.exists():
        os.environ.setdefault("KERAS_BACKEND", installed[0])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_stderr():
        importlib.import_module("keras")


def import_modules(names: Sequence[str]) -> list[ModuleType]:
    """Import the modules given to `--import`.

    Raises:
        ImportError: if one cannot be imported.
    """
    if names:
        sys.path.insert(0, str(Path.cwd()))  # As `python -m` does.
    modules = []
    for name in names:
        try:
            modules.append(importlib.import_module(name))
        except (Exception, SystemExit) as error:
            # The module is the user's own, and may raise anything.
            raise ImportError(
                "The module given to --import cannot be imported: "
                f"{type(error).__name__}: {error}. Received: {name}."
            ) from error
    return modules


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discard what C++ libraries write while they load; errors are raised anyway."""
    if sys.stderr is not None:
        sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
