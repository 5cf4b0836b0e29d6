"""A call that would wait for ever ends, and whoever had set an alarm of their own gets it."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from colab_resume.colab.time_limit import TimeIsUp, time_limit


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """The test's own alarm, in place of pytest-timeout's, which is there again after it."""
    with time_limit(100.0):
        yield


def test_what_waits_for_ever_ends() -> None:
    """Also code that takes every `Exception` for no answer yet."""
    begin = time.monotonic()
    with pytest.raises(TimeIsUp), time_limit(0.05):
        while True:
            with contextlib.suppress(Exception):
                threading.Event().wait(60)
    assert time.monotonic() - begin < 10


def test_what_is_in_time_is_left_alone() -> None:
    """And no alarm rings later."""
    with time_limit(0.05):
        pass
    threading.Event().wait(0.1)


def test_an_alarm_that_was_set_before_rings_in_its_time() -> None:
    """Neither lost nor late."""
    rung: list[float] = []
    signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    due = time.monotonic() + 0.2
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with time_limit(50.0):
        pass
    assert signal.getitimer(signal.ITIMER_REAL)[0] <= 0.2
    while not rung:
        assert time.monotonic() < due + 10
        threading.Event().wait(0.01)
    assert rung[0] >= due - 0.01
