"""Batches drawn with `next` in a `for` loop of the code's own, which would begin anew after a restart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from run.conftest import Counter, Place

import colab_resume
from colab_resume.errors import UsageError

DATA = [10, 11, 12, 13, 14]

Step = Callable[[object], None]


def _as_many_as_there_are(run: colab_resume.Run, step: Step) -> None:
    for _ in run.epochs(3):
        stream = iter(run.batches(DATA))
        for _ in range(len(DATA)):
            step(next(stream))


def _so_many_steps(run: colab_resume.Run, step: Step) -> None:
    stream = iter(run.batches(DATA))
    for _ in range(12):
        try:
            batch = next(stream)
        except StopIteration:
            stream = iter(run.batches(DATA))
            batch = next(stream)
        step(batch)


def _an_iterator(run: colab_resume.Run, step: Step) -> None:
    stream = run.batches(iter(DATA))
    for _ in range(4):
        step(next(stream))  # type: ignore[call-overload]


def _one_ahead(run: colab_resume.Run, step: Step) -> None:
    stream = iter(run.batches(DATA, ahead=True))
    batch = next(stream)
    for _ in range(len(DATA)):
        following = next(stream, None)
        step(batch)
        batch = following


@pytest.mark.parametrize("train", [_as_many_as_there_are, _so_many_steps, _an_iterator, _one_ahead])
def test_a_loop_that_would_begin_anew_is_refused(place: Place, train: Callable[[colab_resume.Run, Step], None]) -> None:
    run, done = place.setup(), Counter()
    run.track(done=done)

    def step(_: object) -> None:
        done.n += 1

    with pytest.raises(UsageError, match=r"draws with next\(\) from run.batches"):
        train(run, step)
    assert done.n <= 1


def _steps_of_the_run(run: colab_resume.Run, step: Step) -> None:
    stream = iter(run.batches(DATA))
    for _ in run.steps(12):
        for _ in range(2):
            if (batch := next(stream, None)) is None:
                stream = iter(run.batches(DATA))
                batch = next(stream)
        step(batch)


def _boundaries(run: colab_resume.Run, step: Step) -> None:
    stream = iter(run.batches(DATA * 3))
    for _ in range(run.status().step, 12):
        step(next(stream))
        run.boundary()


def _epochs_by_range(run: colab_resume.Run, step: Step) -> None:
    for _ in range(3):
        stream = iter(run.batches(DATA))
        while (batch := next(stream, None)) is not None:
            step(batch)


def _until_there_are_no_more(run: colab_resume.Run, step: Step) -> None:
    for _ in run.epochs(3):
        stream = iter(run.batches(DATA))
        while True:
            try:
                batch = next(stream)
            except StopIteration:
                break
            for _ in range(3):
                pass
            step(batch)


@pytest.mark.slow
@pytest.mark.parametrize("train", [_steps_of_the_run, _boundaries, _epochs_by_range, _until_there_are_no_more])
def test_a_loop_that_is_right_is_exact(place: Place, train: Callable[[colab_resume.Run, Step], None]) -> None:
    class Stop(Exception):
        pass

    def session(stop: int = -1) -> list[object]:
        run, done = place.setup(), Counter()
        run.track(done=done)

        def step(batch: object) -> None:
            run._saving.writer.wait(None)
            if run.status().step == stop:
                raise Stop
            done.n += 1
            run.log(n=done.n, batch=batch)

        train(run, step)
        return [record.values for record in run.history()]

    for stop in (3, 7):
        with pytest.raises(Stop):
            session(stop)
    found = session()
    place.move("elsewhere")
    assert found == session()


def _told(caplog: pytest.LogCaptureFixture) -> int:
    return sum("the `for` loop around run.batches is none" in record.getMessage() for record in caplog.records)


def test_epochs_that_the_run_does_not_count_are_told_of(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    def one_pass(run: colab_resume.Run) -> int:
        return sum(run.batches(DATA))

    run = place.setup()
    assert [one_pass(run) for _ in "a"] == [60]
    assert _told(caplog) == 0
    for _ in range(3):
        one_pass(run)
    assert _told(caplog) == 1


def test_passes_one_after_the_other_and_in_epochs_are_right(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    run = place.setup()
    for loader in (DATA[:2], DATA[2:]):
        for _ in run.epochs(3, name=f"{len(loader)}"):
            sum(run.batches(loader))
            for _ in range(2):
                sum(run.batches(loader))
    sum(run.batches(DATA))
    sum(run.batches(DATA))
    assert _told(caplog) == 0
