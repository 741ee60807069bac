"""Signals end a command after it has cleaned up."""

import signal
from contextlib import suppress

import pytest

from kerasbn.writing import Interrupted, interruptible
from kerasbn.writing.interrupting import uninterrupted


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_is_raised_and_the_handlers_are_put_back(name, status):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=name) as caught, interruptible():
        signal.raise_signal(number)
    assert caught.value.status == status
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_disturb_the_cleaning():
    cleaned = []

    def work():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned.append(True)

    with pytest.raises(Interrupted, match="SIGTERM"), interruptible():
        work()
    assert cleaned


def test_what_a_library_caught_is_known():
    with interruptible() as interruption:
        interruption.check()
        with suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):
            interruption.check()


def test_what_is_ignored_stays_so():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_waits_for_what_must_not_be_interrupted():
    steps = []

    def work():
        with uninterrupted():
            signal.raise_signal(signal.SIGTERM)
            steps.append("inside")
        steps.append("behind")

    with pytest.raises(Interrupted), interruptible():
        work()
    assert steps == ["inside"]
