"""Targets `package.module:name`, the one kind that runs the user's code."""

from __future__ import annotations

import re
import sys
import traceback
from contextlib import redirect_stdout
from importlib import import_module
from inspect import signature
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .live_model import is_live_model, read_live_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from .model import Model

_REFERENCE = re.compile(r"(?P<module>[^\W\d][\w.]*):(?P<name>[^\W\d][\w.]*)")

_FILE_REFERENCE = re.compile(r"(?P<file>.+)\.py:(?P<name>[^\W\d][\w.]*)")


_WANTED = "Name a model, or a function that needs no arguments and returns one."


def is_reference(target: str) -> bool:
    """Whether a target has the form `package.module:name`."""
    return _REFERENCE.fullmatch(target) is not None


def refuse_file_reference(target: str) -> None:
    """Refuse `train.py:model`, since importing it would run the code and then fail.

    Raises:
        UsageError: if the module is named by its file.
    """
    if (match := _FILE_REFERENCE.fullmatch(target)) is not None:
        file = Path(match["file"])
        is_below = not file.is_absolute() and ".." not in file.parts
        module = ".".join(file.parts) if is_below else file.name
        raise UsageError(
            "A model is named by its module, not by its file. "
            f"Received: {target!r}. Write {module}:{match['name']}, as Python does."
        )


def import_model(target: str) -> Model:
    """Import the module and read the model, or what the function returns.

    The code's output goes to the standard error, since the report may be JSON.

    Raises:
        UsageError: if the code fails, or the name is not a model.
    """
    match = _REFERENCE.fullmatch(target)
    assert match is not None
    sys.path.insert(0, "")  # The current folder, as in `python -m`.
    try:
        with redirect_stdout(sys.stderr):
            value = attrgetter(match["name"])(import_module(match["module"]))
            if callable(value) and not is_live_model(value):
                _refuse_arguments(target, match["name"], value)
                value = value()
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{target} could not be imported: {_explain(error)}"
        ) from error
    finally:
        sys.path.remove("")
    if not is_live_model(value):
        raise UsageError(
            f"{target} is not a Keras model. "
            f"Received: {type(value).__name__}. {_WANTED}"
        )
    return read_live_model(value, target)


def _refuse_arguments(target: str, name: str, function: Callable[..., Any]) -> None:
    """Refuse a function that cannot be called without arguments.

    Raises:
        UsageError: if it cannot.
    """
    try:
        takes = signature(function)
    except ValueError:  # Its parameters are not known.
        return
    try:
        takes.bind()
    except TypeError:
        raise UsageError(
            f"{target} needs arguments. Received: {name}{takes}. {_WANTED}"
        ) from None


def _explain(error: BaseException) -> str:
    """Format an error, with the last line of the user's code that led to it."""
    text = "".join(traceback.format_exception_only(error)).strip()
    here = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    return f"{text} ({here[-1].filename}:{here[-1].lineno})" if here else text
