"""An interrupt in mid-step waits for the boundary, and never longer than somebody would: real signals throughout."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from interrupting import interrupt_before_line

from colab_resume.training.interrupt import HeldInterrupt

__all__: list[str] = []


@pytest.fixture
def new() -> Iterator[Callable[..., HeldInterrupt]]:
    """Makes one that watches; pytest's own handler stands aside, as a notebook's kernel brings Python's."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    made: list[HeldInterrupt] = []

    def make(**options: object) -> HeldInterrupt:
        settings = {"may_hold": lambda: True, "pace": lambda: 0.0, "tell": lambda line: None, **options}
        made.append(HeldInterrupt(**settings))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_one_is_held_back_and_the_second_comes_through(new: Callable[..., HeldInterrupt]) -> None:
    """And after that nothing is held back any more."""
    held = new()
    held.watch()
    interrupt()
    assert held.held
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert not held.held


def test_two_at_once(new: Callable[..., HeldInterrupt]) -> None:
    """The second one comes while the first is being noted, before whatever line of ours or of Python's own modules:
    either both are one, or it comes through, and then nothing is held and no thread is left."""
    through, others = 0, _watching()
    for came in itertools.count():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        held = new(patience=(60.0, 60.0))
        held.watch()
        try:
            with interrupt_before_line(came, HeldInterrupt.__module__, "threading", "queue") as reached:
                interrupt()
        except KeyboardInterrupt:
            through += 1
            assert not held.held
        else:
            assert held.held
        held.close()
        assert not held.held
        assert not _watching() - others
        if not reached:
            break
    assert through > 5


def test_one_that_comes_while_the_loop_is_left_comes_through(new: Callable[..., HeldInterrupt]) -> None:
    """Before whatever line: nothing of the two is left over, to come through later in another cell."""
    came, others = 0, _watching()
    while True:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        held = new(patience=(60.0, 60.0))
        held.watch()
        interrupt()
        try:
            with interrupt_before_line(came, HeldInterrupt.__module__) as reached:
                held.leave()
        except KeyboardInterrupt:
            came += 1
        else:
            assert not reached
            break
        finally:
            assert not held.held
            held.close()
            assert not _watching() - others
    assert came > 5


def test_it_comes_through_where_no_step_is_under_way(new: Callable[..., HeldInterrupt]) -> None:
    """On the way back after a restart, outside of loops, ..."""
    held = new(may_hold=lambda: False)
    held.watch()
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert not held.held


def test_it_comes_through_when_no_boundary_comes(new: Callable[..., HeldInterrupt]) -> None:
    """Also while the main thread waits for something that never happens."""
    new(patience=(0.05, 0.05)).watch()
    with pytest.raises(KeyboardInterrupt):
        interrupt()
        threading.Event().wait(60)


def test_it_is_held_back_for_two_steps(new: Callable[..., HeldInterrupt]) -> None:
    """Within the patience that anybody has."""
    told: list[str] = []
    said = threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        said.set()

    held = new(pace=lambda: 8.0, tell=tell)
    held.watch()
    interrupt()
    assert said.wait(30)
    held.leave()
    assert "after 16 s" in told[0]
    assert not held.held


def test_leaving_puts_the_old_handler_back(new: Callable[..., HeldInterrupt]) -> None:
    """And what was held back is forgotten: nothing comes through later."""
    others, held = _watching(), new(patience=(0.01, 0.01))
    held.watch()
    interrupt()
    held.leave()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    held.close()
    assert not _watching() - others


def test_one_that_is_closed_watches_again_when_a_loop_runs_again(new: Callable[..., HeldInterrupt]) -> None:
    """Also if it was closed twice."""
    others, held = _watching(), new(patience=(0.05, 0.05))
    for _ in range(2):
        held.watch()
        with pytest.raises(KeyboardInterrupt):
            interrupt()
            threading.Event().wait(60)
        held.close()
        held.close()
        assert not _watching() - others


def test_it_comes_through_although_nobody_can_be_told(new: Callable[..., HeldInterrupt]) -> None:
    """The streams of a notebook may be broken by then."""

    def tell(line: str) -> None:
        raise BrokenPipeError(line)

    new(patience=(0.05, 0.05), tell=tell).watch()
    with pytest.raises(KeyboardInterrupt):
        interrupt()
        threading.Event().wait(60)


def test_in_a_forked_child_it_waits_for_the_boundary_or_the_second_one(new: Callable[..., HeldInterrupt]) -> None:
    """The thread is not there; nothing hangs."""
    held = new()
    held.watch()
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(KeyboardInterrupt):
            interrupt()
            code = 2 if held.held else 3
            interrupt()
            code = 4
        os._exit(0 if code == 2 and not held.held else code)
    assert os.waitpid(child, 0)[1] == 0


def _watching() -> set[threading.Thread]:
    """Threads that stand by."""
    return {thread for thread in threading.enumerate() if thread.name == "colab_resume-interrupt"}


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_another_handler_stays(handler: object) -> None:
    """Of a program that ignores interrupts, or does something of its own with them."""
    before = signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]
    try:
        held = HeldInterrupt(may_hold=lambda: True, pace=lambda: 0.0, tell=lambda line: None)
        held.watch()
        held.leave()
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_watches_nothing(new: Callable[..., HeldInterrupt]) -> None:
    """Python allows handlers in the main thread only; a training elsewhere is just not interrupted."""
    held = HeldInterrupt(may_hold=lambda: True, pace=lambda: 0.0, tell=lambda line: None)
    thread = threading.Thread(target=lambda: (held.watch(), held.leave()))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _boundaries(held: HeldInterrupt) -> Iterator[int]:
    for turn in range(3):
        held.watch()
        yield turn


def test_a_loop_through_a_generator_is_a_loop(new: Callable[..., HeldInterrupt]) -> None:
    """As in `for x in tqdm(run.batches(loader))`: what asks for the next turn does not run while the body does."""
    held = new()
    for _ in (turn for turn in _boundaries(held)):
        interrupt()
        assert held.held
        break


def test_after_an_exception_nothing_is_held_back(new: Callable[..., HeldInterrupt]) -> None:
    """The loop never said that it was left, as the traceback keeps it alive."""
    held = new()

    def train() -> None:
        for _ in _boundaries(held):
            raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake") as kept:
        train()
    assert kept.traceback
    with pytest.raises(KeyboardInterrupt):
        interrupt()
