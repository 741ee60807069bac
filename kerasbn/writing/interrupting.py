"""Signals that end a command, after it has cleaned up."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP.
]
# Signals come in pairs: a closed terminal sends two, and people press Ctrl-C twice.
_ONE_REQUEST = 2.0  # seconds


class Interrupted(BaseException):
    """The process was told to end; raised where it was, so that all is cleaned up.

    It is no `KeyboardInterrupt`, for which libraries have answers of their own.

    Attributes:
        number: the signal.
        status: the exit status that shells give to it: 130 for Ctrl-C.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.status = 128 + number
        super().__init__(f"Stopped by {signal.Signals(number).name}.")


class Interruption:
    """What has come of signals so far: nothing, or the first that came.

    Attributes:
        too_late: whether what was asked for is done, so that signals stop nothing.
    """

    def __init__(self) -> None:
        self.too_late = False
        self._first: Interrupted | None = None
        self._raised = 0.0

    def check(self) -> None:
        """Raise again what a library has caught.

        Raises:
            Interrupted: if a signal has come.
        """
        if self._first is not None:
            raise self._first

    def handle(self, number: int, _: Any) -> None:
        """Answer a signal.

        Raises:
            Interrupted: unless it is too late, or one was raised a moment ago, and is
                being cleaned up.
        """
        if self.too_late:
            return
        now = time.monotonic()
        if self._first is None or now - self._raised > _ONE_REQUEST:
            self._raised = now
            self._first = self._first or Interrupted(number)
            raise self._first


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turn the signals that end a process into `Interrupted`, while this lasts.

    A signal that is ignored, as under `nohup`, stays so.
    """
    interruption = Interruption()
    _lasting.append(interruption)
    try:
        with _handlers(interruption.handle):
            yield interruption
    finally:
        _lasting.remove(interruption)


_lasting: list[Interruption] = []


def uninterruptible_from_now_on() -> None:
    """Let no signal say that nothing was written, now that it was."""
    for interruption in _lasting:
        interruption.too_late = True


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back the signals that end a process, until this is done."""
    came: list[int] = []
    with _handlers(lambda number, _: came.append(number)):
        yield
    if came:
        signal.raise_signal(came[0])


@contextmanager
def _handlers(handler: Any) -> Iterator[None]:
    with ExitStack() as restoring:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):
                    restoring.callback(signal.signal, number, before)
                    signal.signal(number, handler)
        yield
