"""Ways to write a report: every other module in this folder is one, named as it is.

A reporter has one function, `write(report, file)`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ..run import Report

DEFAULT = "text"


def output_formats() -> list[str]:
    """The names of all reporters."""
    return sorted(module.name for module in iter_modules(__path__))


def write(report: Report, output_format: str, file: TextIO) -> None:
    """Write a report in one of the formats."""
    import_module(f".{output_format}", __name__).write(report, file)
