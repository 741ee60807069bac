"""Output of both commands: files, and text for people.

files         a file, or a folder, that appears whole or not at all
text          text that a terminal shows and does not obey
streams       the standard output and the standard error, which may fail, too
interrupting  signals, after which nothing half-written remains

It needs only the standard library, so that a lint of source stays fast.
"""

from kerasbn.errors import UnusableFileError
from kerasbn.writing.files import (
    check_folder,
    check_place,
    check_writable,
    is_same_file,
    replacing,
    replacing_folder,
)
from kerasbn.writing.interrupting import Interrupted, interruptible
from kerasbn.writing.streams import discard, open_standard_streams, say
from kerasbn.writing.text import visible

__all__ = [
    "Interrupted",
    "UnusableFileError",
    "check_folder",
    "check_place",
    "check_writable",
    "discard",
    "interruptible",
    "is_same_file",
    "open_standard_streams",
    "replacing",
    "replacing_folder",
    "say",
    "visible",
]
