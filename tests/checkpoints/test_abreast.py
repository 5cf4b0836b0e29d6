"""Two jobs at a time: all are done, or the caller hears why not, and no thread outlives the call."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from colab_resume.checkpoints.abreast import Tell, abreast

_PATIENCE = 30.0


def threads() -> list[str]:
    """The threads that a restore has."""
    return [thread.name for thread in threading.enumerate() if "restore" in thread.name]


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_all_jobs_are_done_and_all_progress_is_told_in_the_callers_thread(count: int) -> None:
    """Each job once, whatever their number."""
    done: list[int] = []
    told: list[int] = []

    def job(number: int) -> Callable[[Tell], None]:
        def do(tell: Tell) -> None:
            tell(number)
            done.append(number)
            tell(100)

        return do

    def hear(amount: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        told.append(amount)

    abreast([job(number) for number in range(count)], hear, what="restore", at_a_time=2)
    assert sorted(done) == list(range(count))
    assert sorted(told) == sorted([*range(count), *[100] * count])
    assert threads() == []


def test_two_jobs_run_at_the_same_time() -> None:
    """Each waits for the other to have begun."""
    meeting = threading.Barrier(2)

    def meet(tell: Tell) -> None:
        meeting.wait(_PATIENCE)

    abreast([meet, meet], [].append, what="restore", at_a_time=2)


class Died(BaseException):
    """No Exception, as an interrupt is none."""


@pytest.mark.parametrize("kind", [ValueError, Died])
def test_an_error_comes_out_and_ends_the_others(kind: type[BaseException]) -> None:
    """The job beside it stops at its next word, those that wait never begin, and no thread stays."""
    begun: list[str] = []
    running = threading.Event()

    def fail(tell: Tell) -> None:
        running.wait(_PATIENCE)
        raise kind("why")

    def go_on(tell: Tell) -> None:
        running.set()
        while True:
            tell(1)

    with pytest.raises(kind, match="why"):
        abreast([fail, go_on, lambda tell: begun.append("third")], lambda count: None, what="restore", at_a_time=2)
    assert begun == []
    assert threads() == []


def test_an_interrupt_ends_all() -> None:
    """Ctrl-C comes out in the caller, and the threads are gone."""
    heard = threading.Event()

    def go_on(tell: Tell) -> None:
        tell(1)
        heard.wait(_PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            tell(1)

    with pytest.raises(KeyboardInterrupt):
        abreast([go_on], lambda count: heard.set(), what="restore", at_a_time=2)
    assert threads() == []


def test_who_hears_of_the_progress_can_end_it() -> None:
    """What the caller's own function raises comes out, too."""

    def go_on(tell: Tell) -> None:
        while True:
            tell(1)

    def hear(count: int) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        abreast([go_on], hear, what="restore", at_a_time=2)
    assert threads() == []
