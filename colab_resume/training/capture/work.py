"""Copies that are made while the training goes on: a thread works off a list of jobs, and whoever waits for them helps.

The copying has a thread of its own at ordinary priority, since the next optimizer step waits for it; hashing and
writing, for which nobody waits, are the writer's, at the lowest. Lists are worked off in the order in which they come.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from ...background import BackgroundThread

__all__ = ["Copier", "Work"]


class Work:
    """Jobs that any thread may do, in their order; each is done once. There is at least one.

    `at_last` is called once, by whoever ends the last job, before anybody is told that the work is done.
    """

    def __init__(self, jobs: Iterable[Callable[[], None]], *, at_last: Callable[[], None]) -> None:
        self._jobs = deque(jobs)
        self._at_last = at_last
        self._running = len(self._jobs)
        self._done = False
        self._condition = threading.Condition()
        self.error: Exception | None = None
        """The first failure; the other jobs are done all the same."""

    def do_one(self) -> bool:
        """Take a job that nobody has, and do it; whether there was one."""
        try:
            job = self._jobs.popleft()
        except IndexError:
            return False
        try:
            self._try(job)
        finally:  # also after Ctrl-C, which the training's thread may meet here: else others would wait for ever
            self._end_one()
        return True

    def finish(self) -> None:
        """Help until nothing is left to take, and wait for what others have taken."""
        while self.do_one():
            pass
        self.wait()

    def wait(self) -> None:
        """Wait until every job has ended."""
        with self._condition:
            self._condition.wait_for(lambda: self._done)

    def _end_one(self) -> None:
        with self._condition:
            self._running -= 1
            last = self._running == 0
        if last:
            self._try(self._at_last)
            with self._condition:
                self._done = True
                self._condition.notify_all()

    def _try(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001 - it is told to whoever needs the result
            self.error = self.error or error
        except BaseException:
            self.error = self.error or RuntimeError("a copy was interrupted")
            raise


class Copier:
    """Owns the thread, which starts with the first work."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._works: deque[Work] = deque()
        self._closing = False
        self._thread: BackgroundThread | None = None

    def give(self, work: Work) -> None:
        """Let the thread do this, after what it was given before."""
        with self._condition:
            if self._thread is None or not self._thread.is_alive():
                self._thread = BackgroundThread(self._run, name="colab_resume-copier")
                self._thread.start()
            self._works.append(work)
            self._condition.notify_all()

    def close(self) -> None:
        """End the thread after the work that it has. Closing again is harmless."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._works or self._closing)
                if not self._works:
                    return
                work = self._works.popleft()
            while work.do_one():
                pass
            del work  # while it waits for the next, it would hold what the jobs were about
