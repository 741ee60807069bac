"""Errors for users; each message is complete by itself."""

from __future__ import annotations


class UnusableFileError(ValueError):
    """A file cannot be read or written as requested; nothing was written."""


class UnsupportedFormatError(UnusableFileError):
    """The file is intact, but its format holds too little or is too old."""


class NotAGraphError(ValueError):
    """A model's configuration does not say how its layers are connected."""
