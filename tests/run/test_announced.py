"""Numbers that are announced before they are there belong to the step that announced them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import colab_resume

__all__: list[str] = []


@pytest.fixture
def run(tmp_path: Path) -> colab_resume.Run:
    return colab_resume.setup("announced", store=tmp_path, drive=False, every=3)


class Reading:
    """Numbers that note when they are read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def of(self, step: int) -> Callable[[], dict[str, float]]:
        def read() -> dict[str, float]:
            self.read.append(step)
            return {"loss": float(step)}

        return read


def _logged(run: colab_resume.Run) -> list[tuple[int, float]]:
    return [(record.step, record.values["loss"]) for record in run.history()]  # type: ignore[misc]


def test_they_are_read_with_the_next_ones_and_before_their_step_is_saved(run: colab_resume.Run) -> None:
    """At step 3 a checkpoint is made; at the end, too."""
    numbers, seen = Reading(), []
    for step in run.steps(5):
        seen.append(list(numbers.read))
        run._saving.writer.wait(None)  # while a checkpoint is being written none is due
        run._log_soon({"loss"}, numbers.of(step + 1))
    assert seen == [[], [], [1], [1, 2, 3], [1, 2, 3]]
    assert numbers.read == [1, 2, 3, 4, 5]
    run.finish()
    assert _logged(run) == [(step, step) for step in range(1, 6)]


def test_what_is_logged_meanwhile_comes_after_them(run: colab_resume.Run) -> None:
    """The history has the order in which things were said."""
    numbers = Reading()
    for step in run.steps(2):
        run._log_soon({"loss"}, numbers.of(step + 1))
        run.log(loss=0.5)
    run.finish()
    assert _logged(run) == [(1, 1.0), (1, 0.5), (2, 2.0), (2, 0.5)]


def test_whoever_asks_for_the_history_gets_them(run: colab_resume.Run) -> None:
    """In the middle of the step."""
    for step in run.steps(2):
        run._log_soon({"loss"}, Reading().of(step + 1))
        assert _logged(run)[-1] == (step + 1, step + 1.0)
    run.finish()


def test_what_rates_checkpoints_is_read_at_once(run: colab_resume.Run) -> None:
    """Else the better one would be known only when its state is gone."""
    run.best("loss", "min")
    numbers, others = Reading(), Reading()
    for step in run.steps(2):
        run._log_soon({"loss"}, numbers.of(step + 1))
        assert numbers.read == list(range(1, step + 2))
        run._log_soon({"speed"}, others.of(step + 1))
        assert len(others.read) == step
    run.finish()


def test_what_was_announced_before_rates_no_later_state(run: colab_resume.Run) -> None:
    """From now on the metric rates checkpoints; the number of this step is logged by then."""
    numbers = Reading()
    for step in run.steps(1):
        run._log_soon({"loss"}, numbers.of(step + 1))
        run.best("loss", "min")
        assert numbers.read == [1]
    run.finish()


def test_an_interrupt_while_they_are_read_loses_none(run: colab_resume.Run) -> None:
    """They are read again."""
    interrupts = iter([KeyboardInterrupt])

    def read() -> dict[str, float]:
        for interrupt in interrupts:
            raise interrupt
        return {"loss": 7.0}

    for _ in run.steps(1):
        run._log_soon({"loss"}, read)
        with pytest.raises(KeyboardInterrupt):
            run.history()
    run.finish()
    assert _logged(run) == [(1, 7.0)]


def test_numbers_that_cannot_be_read_are_told_once(run: colab_resume.Run) -> None:
    """A device that has failed is no reason for the run not to end."""

    def read() -> dict[str, float]:
        raise RuntimeError("the device is gone")

    for _ in run.steps(1):
        run._log_soon({"loss"}, read)
        with pytest.raises(RuntimeError, match="the device is gone"):
            run.history()
    run.finish()
    assert _logged(run) == []
