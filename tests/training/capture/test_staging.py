"""The memory for copies: what a fork makes of it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable

from colab_resume.training.capture.staging import Staging

MEGABYTE = 1 << 20


def in_a_fork(what: Callable[[], bool]) -> bool:
    """Whether it is true in a child, and the child lives to say so."""
    child = os.fork()
    if child == 0:
        os._exit(0 if what() else 1)
    return os.waitpid(child, 0)[1] == 0


def test_a_worker_does_not_get_the_copies() -> None:
    """They are empty there, so that no page has to be copied before the parent can write to it."""
    staging = Staging()
    staging.reserve(8 * MEGABYTE, pinned=False)
    staging.view(0, 8 * MEGABYTE).fill(7)
    assert in_a_fork(lambda: not staging.view(0, 8 * MEGABYTE).any())
    assert staging.view(0, 8 * MEGABYTE).all()


def test_a_worker_may_free_what_it_does_not_have() -> None:
    """What came to lie at that address in the worker stays."""
    staging = Staging()
    staging.reserve(64 * MEGABYTE, pinned=False)

    def free() -> bool:
        taken = [bytearray(b"x" * MEGABYTE) for _ in range(200)]
        staging.release()
        gc.collect()
        return all(part.count(b"x") == MEGABYTE for part in taken)

    assert in_a_fork(free)
