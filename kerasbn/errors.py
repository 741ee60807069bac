"""The errors a user can meet, each with its whole story in its message."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasbn.folding.report import FoldResult


class UnusableFileError(ValueError):
    """A file cannot be read or written as asked; nothing was written."""


class UnsupportedFormatError(UnusableFileError):
    """The file is whole, but of a format that holds too little or is too old."""


class NotAGraphError(ValueError):
    """A model's configuration does not tell how its layers are connected."""


class NotEqualError(ArithmeticError):
    """A folded model does not compute what the original does; nothing was written.

    Attributes:
        result: the `kerasbn.FoldResult` with the errors that were measured.
    """

    def __init__(self, message: str, result: FoldResult) -> None:
        super().__init__(message)
        self.result = result
