"""Matplotlib pictures: checked early, and written whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbn.writing import UnusableFileError, check_place, replacing

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_PIXELS = 30_000


def check_picture(path: Any, argument: str) -> None:
    """Refuse a picture that would fail only after everything else is done.

    Args:
        path: the path for the picture.
        argument: the name of the user's argument.

    Raises:
        UsageError: if it is not a path into a folder, or that of something which must
            not be replaced, or Matplotlib is missing.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(
            f"`{argument}` must be the path of a picture. "
            f"Received: {argument}={path!r}."
        )
    if find_spec("matplotlib") is None:
        raise UsageError(
            "A picture needs Matplotlib, which is not installed. Received: "
            f"{argument}={path!r}. Install it with pip install matplotlib, or leave "
            "the argument out."
        )
    if not Path(path).resolve().parent.is_dir():
        raise UsageError(
            "The folder of the picture does not exist. "
            f"Received: {argument}={path!r}. Create it first."
        )
    with _refused_clearly():
        check_place(Path(path), force=True, label="picture")


def save_figure(figure: Any, path: Path, argument: str, dpi: int = 100) -> None:
    """Write a figure, in the format given by the file's name.

    Raises:
        UsageError: if its format is not known, or the file cannot be written.
    """
    with _refused_clearly(), replacing(path, label="picture") as unfinished:
        try:
            figure.savefig(
                unfinished,
                dpi=min(dpi, _MOST_PIXELS / max(figure.get_size_inches())),
                format=path.suffix[1:] or figure.canvas.get_default_filetype(),
            )
        except (OSError, ValueError) as error:
            raise UsageError(
                f"The picture could not be drawn: {error}. "
                f"Received: {argument}={str(path)!r}."
            ) from error


@contextmanager
def _refused_clearly() -> Iterator[None]:
    try:
        yield
    except UnusableFileError as error:
        raise UsageError(str(error)) from error


def label_by_factors(axis: Any) -> None:
    """Label an axis of doublings by factors: 3 as 8."""
    axis.get_major_locator().set_params(integer=True)
    axis.set_major_formatter(lambda value, _: f"{2.0**value:,.5g}")
