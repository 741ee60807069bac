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
    """The process was asked to end; raised at the current place, for clean-up.

    It is not a `KeyboardInterrupt`, which libraries handle in their own ways.

    Attributes:
        number: the signal.
        status: the exit status that shells assign to it: 130 for Ctrl-C.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.status = 128 + number
        super().__init__(f"Stopped by {signal.Signals(number).name}.")


class Interruption:
    """The signals so far: none, or the first one.

    Attributes:
        too_late: whether the work is done, so that signals stop nothing.
    """

    def __init__(self) -> None:
        self.too_late = False
        self._first: Interrupted | None = None
        self._raised = 0.0

    def check(self) -> None:
        """Raise an interruption again that a library has caught.

        Raises:
            Interrupted: if a signal has arrived.
        """
        if self._first is not None:
            raise self._first

    def handle(self, number: int, _: Any) -> None:
        """Handle a signal.

        Raises:
            Interrupted: unless it is too late, or one was raised a moment ago and
                clean-up is in progress.
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
    """Turn the signals that end a process into `Interrupted` within this context.

    A signal that is ignored, as under `nohup`, stays ignored.
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
    """Ignore signals from now on, since the output has been written."""
    for interruption in _lasting:
        interruption.too_late = True


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back the signals that end a process within this context."""
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
