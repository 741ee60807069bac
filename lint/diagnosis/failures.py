"""What a model's own code raises while it is run, as one clear message."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import UsageError
from .names import INFERENCE, TRAINING
from .tensors import shapes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .batches import Batch

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@contextmanager
def said_where(training: bool | None, batch: Batch) -> Iterator[None]:
    """Raise what the user's code raises as an error that says where it did."""
    try:
        yield
    except Exception as error:
        where = f" in {TRAINING if training else INFERENCE}"
        raise cannot_be_run(one_line(error), batch, where) from error


def cannot_be_run(reason: str, batch: Batch, where: str = "") -> UsageError:
    """Return the error for a model that fails on a batch."""
    return UsageError(
        f"The model cannot be run on the data{where}: {reason}. "
        f"Received: x of shape {shapes_of(batch.x)}."
    )


def one_line(error: Exception) -> str:
    """Format an error in one line: of Keras', the one that says what is wrong."""
    # As a text, a KeyError is a literal of its message.
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    lines = [_ESCAPES.sub("", line).strip() for line in str(text).splitlines()]
    lines = [line for line in lines if line] or [""]
    is_wrapped = lines[0].startswith("Exception encountered when calling")
    line = lines[1] if is_wrapped and len(lines) > 1 else lines[0]
    return f"{type(error).__name__}: {line}".rstrip(".: ")
