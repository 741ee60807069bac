"""The errors a user can meet, each with its whole story in its message."""

from __future__ import annotations


class UnusableFileError(ValueError):
    """A file cannot be read or written as asked; nothing was written."""


class UnsupportedFormatError(UnusableFileError):
    """The file is whole, but of a format that holds too little or is too old."""


class NotAGraphError(ValueError):
    """A model's configuration does not tell how its layers are connected."""
