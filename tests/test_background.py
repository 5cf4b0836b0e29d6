"""Threads beside the training step back from the disk, and not from the processor; they can be waited for again."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
import threading
import time
from pathlib import Path
from traceback import walk_stack

import pytest
from interrupting import interrupt_before_line

from colab_resume.background import BackgroundThread
from colab_resume.run import setup

_ONLY_HERE = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="asked by the number that this system gives it"
)

_IOPRIO_GET, _IDLE = 252, 3
_LOOKS = 1000


@_ONLY_HERE
def test_writer_and_mirror_step_back(tmp_path: Path) -> None:
    """The disk serves them last; their niceness is the training's, since they hold the interpreter in turns with it."""
    run = setup("background", store=tmp_path / "store", remote=tmp_path / "drive")
    run.state(best=0.0)
    for _ in run.steps(2):
        pass
    run.flush()
    threads = {one.name: one.native_id for one in threading.enumerate() if one.name.startswith("colab_resume-")}
    classes = {name: ctypes.CDLL(None).syscall(_IOPRIO_GET, 1, number) >> 13 for name, number in threads.items()}
    classes.pop("colab_resume-interrupt")  # it reads and writes nothing
    assert classes == {"colab_resume-writer": _IDLE, "colab_resume-mirror": _IDLE}
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    assert {os.getpriority(os.PRIO_PROCESS, number or 0) for number in threads.values()} == {nice}
    run.finish()


def test_a_thread_is_waited_for_again_after_an_interrupt() -> None:
    """Python 3.11 and 3.12 take it for ended then: https://github.com/python/cpython/issues/90882."""
    go_on, ended = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait()
        ended.set()

    thread = BackgroundThread(work, name="colab_resume-test")
    thread.start()
    interrupt = threading.Thread(target=_interrupt_when_waiting)
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        thread.join()
    interrupt.join()
    assert thread.is_alive()
    thread.join(0)
    assert thread.is_alive()
    go_on.set()
    thread.join()
    assert ended.is_set()
    assert not thread.is_alive()


def test_an_interrupt_while_a_thread_starts() -> None:
    """Before whatever line of Python's own modules: it comes through, and the thread runs and ends, or never began."""
    came = begun = 0
    while True:
        go_on = threading.Event()
        thread = BackgroundThread(go_on.wait, name="colab_resume-test")
        try:
            with interrupt_before_line(came, "colab_resume.background", "contextlib", "threading") as reached:
                thread.start()
        except KeyboardInterrupt:
            came += 1
            begun += thread.is_alive()
        else:
            assert not reached
            break
        finally:
            go_on.set()
            thread.join(10)
            assert not thread.is_alive()
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert came > begun > 20


def test_a_forked_child_does_not_wait_for_its_parents_thread() -> None:
    """It is not there; a child that waits would wait for ever."""
    go_on = threading.Event()
    thread = BackgroundThread(go_on.wait, name="colab_resume-test")
    thread.start()
    child = os.fork()
    if child == 0:
        thread.join()
        os._exit(int(thread.is_alive()))
    assert os.waitpid(child, 0)[1] == 0
    assert thread.is_alive()
    go_on.set()
    thread.join()


def _interrupt_when_waiting() -> None:
    """Ctrl-C for the main thread, as soon as it waits in `join`: it is there, and goes on nowhere when it could."""
    main = threading.main_thread().ident
    assert main is not None
    place, looks = None, 0
    while looks < _LOOKS:
        frames = [(frame.f_code.co_name, frame.f_lasti) for frame, _ in walk_stack(sys._current_frames()[main])]
        is_there = frames == place and "join" in (name for name, _ in frames)
        place, looks = frames, looks + 1 if is_there else 0
        time.sleep(0)  # whoever can go on goes on
    signal.pthread_kill(main, signal.SIGINT)
