"""What both commands write: files, and text for people.

files         a file, or a folder, that appears whole or not at all
text          text that a terminal shows and does not obey
streams       the standard output and the standard error, which may fail, too
interrupting  signals, after which nothing half-written stays

It needs nothing but the standard library, so that a lint of source stays quick.
"""

from kerasbn.errors import UnusableFileError
from kerasbn.writing.files import check_place, is_same_file, replacing, replacing_folder
from kerasbn.writing.interrupting import Interrupted, interruptible
from kerasbn.writing.streams import discard, open_standard_streams, say
from kerasbn.writing.text import visible

__all__ = [
    "Interrupted",
    "UnusableFileError",
    "check_place",
    "discard",
    "interruptible",
    "is_same_file",
    "open_standard_streams",
    "replacing",
    "replacing_folder",
    "say",
    "visible",
]
