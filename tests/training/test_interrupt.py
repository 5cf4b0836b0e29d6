"""An interrupt in mid-step waits for the boundary, and never longer than somebody would: real signals throughout."""

from __future__ import annotations

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
        one.leave()
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


def test_two_at_once_leave_no_thread(new: Callable[..., HeldInterrupt], monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one comes while the first is still being noted: it is known by then which timers there are."""
    held, start = new(), threading.Timer.start

    def interrupted(timer: threading.Timer) -> None:
        start(timer)
        monkeypatch.undo()
        interrupt()

    monkeypatch.setattr(threading.Timer, "start", interrupted)
    held.watch()
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert not held.held
    for thread in threading.enumerate():
        if thread.name == "colab_resume-interrupt":
            thread.join(2)
            assert not thread.is_alive()


def test_one_that_comes_while_the_loop_is_left_comes_through(new: Callable[..., HeldInterrupt]) -> None:
    """Before whatever line: nothing of the two is left over, to come through later in another cell."""
    came = 0
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
            assert not any(thread.name == "colab_resume-interrupt" and thread.is_alive() for thread in _timers())
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
    held = new(patience=(0.01, 0.01))
    held.watch()
    interrupt()
    held.leave()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not any(thread.name == "colab_resume-interrupt" and thread.is_alive() for thread in _timers())


def _timers() -> list[threading.Thread]:
    for thread in threading.enumerate():
        if thread.name == "colab_resume-interrupt":
            thread.join(10)
    return threading.enumerate()


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
