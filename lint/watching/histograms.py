"""Histograms of what batch normalization is given, for TensorBoard."""

from __future__ import annotations

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from .statistics import Array

_RUN = "bn"


def log_folder(tensorboard: Any) -> Path | None:
    """Return the folder for the event file: a run of its own beside Keras' runs.

    TensorBoard reads a single event file at a time in each run.

    Args:
        tensorboard: the folder that TensorBoard is started with, or the callback
            `keras.callbacks.TensorBoard` that is given to the same `fit`.

    Raises:
        UsageError: if it is neither, or the package `tensorboard` is missing.
    """
    if tensorboard is None:
        return None
    folder = getattr(tensorboard, "log_dir", tensorboard)
    if not isinstance(folder, str | os.PathLike):
        raise UsageError(
            "`tensorboard` is a folder of logs, or a keras.callbacks.TensorBoard. "
            f"Received: tensorboard={tensorboard!r}."
        )
    if find_spec("tensorboard") is None:
        raise UsageError(
            "Histograms need TensorBoard, which is not installed. Received: "
            f"tensorboard={tensorboard!r}. Run pip install tensorboard, or leave that "
            "out."
        )
    return Path(folder) / _RUN


class Histograms:
    """An event file, which appears with the first histogram.

    Args:
        folder: where to write it; None for nowhere.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._writer: Any = None

    def write(self, path: str, values: Array, step: int) -> None:
        """Add the histogram of a layer's inputs after a training step."""
        if self._folder is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.histogram.summary_v2 import histogram_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if self._writer is None:
            self._writer = EventFileWriter(str(self._folder))
        summary = histogram_pb(f"bn/{path}/inputs", values)
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
