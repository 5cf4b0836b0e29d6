"""Objects that are made inside a loop, and tracked where they are made: what lives on, and what begins anew."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from run.conftest import Counter, Place

import colab_resume
from colab_resume.errors import StateMismatch


def _step(run: colab_resume.Run, counter: Counter | None, stop: int) -> bool:
    """Whether to go on."""
    run._saving.writer.wait(None)
    if run.status().step == stop:
        return False
    if counter is not None:
        counter.n += 1
    run.log(n=counter.n if counter else 0)
    return True


def _numbers(run: colab_resume.Run) -> list[Any]:
    return [record.values["n"] for record in run.history()]


def _anew_in_each_epoch(place: Place, stop: int) -> list[Any]:
    run = place.setup()
    for _ in run.epochs(4):
        counter = Counter()
        run.track(counter=counter)
        for _ in run.batches([1, 2, 3]):
            if not _step(run, counter, stop):
                return []
        run.log(n=counter.n * 100)
    return _numbers(run)


def _anew_after_the_pass(place: Place, stop: int) -> list[Any]:
    run = place.setup()
    for _ in run.epochs(4):
        for _ in run.batches([1, 2, 3]):
            if not _step(run, None, stop):
                return []
        counter = Counter()
        run.track(counter=counter)
        counter.n += 1
        run.log(n=counter.n)
    return _numbers(run)


def _in_the_second_epoch_if_there_is_none(place: Place, stop: int) -> list[Any]:
    counter: Counter | None = None
    run = place.setup()
    for epoch in run.epochs(5):
        if epoch >= 1 and counter is None:
            counter = Counter()
            run.track(counter=counter)
        for _ in run.batches([1, 2, 3]):
            if not _step(run, counter, stop):
                return []
    return _numbers(run)


def _in_the_first_epoch_only(place: Place, stop: int) -> list[Any]:
    run = place.setup()
    for epoch in run.epochs(3):
        counter = Counter()
        if epoch == 0:
            run.track(counter=counter)
        for _ in run.batches([1, 2, 3]):
            if not _step(run, counter if epoch == 0 else None, stop):
                return []
    return _numbers(run)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 2, 3, 4, 6, 8, 9, 10, 11])
@pytest.mark.parametrize(
    "train",
    [
        _anew_in_each_epoch,
        _anew_after_the_pass,
        _in_the_second_epoch_if_there_is_none,
        _in_the_first_epoch_only,
    ],
    ids=lambda train: train.__name__.strip("_"),
)
def test_what_is_made_inside_a_loop_goes_on_as_if_nothing_had_happened(place: Place, train: Any, stop: int) -> None:
    """Made anew, it is empty; living on, it has its state."""
    train(place, stop)
    found = train(place, -1)
    place.move("elsewhere")
    assert found == train(place, -1)


def test_what_may_live_on_or_be_made_anew_is_refused(place: Place) -> None:
    """In the epoch after the first one in which it was made, it is asked for where nobody can know yet."""

    def session(stop: int) -> None:
        run = place.setup()
        for _ in run.epochs(3):
            for batch in run.batches([1, 2, 3]):
                if batch == 2:
                    run.track(counter=Counter())
                if not _step(run, None, stop):
                    return

    session(4)
    with pytest.raises(StateMismatch, match="nobody can know yet"):
        session(-1)


def test_what_is_tracked_once_more_in_each_epoch_is_left_as_it_is(place: Place) -> None:
    """After a restart between two epochs, too: neither an object nor plain values go back to the checkpoint."""

    def session(stop: int) -> list[Any]:
        counter = Counter()
        run = place.setup()
        run.track(counter=counter)
        for _ in run.epochs(3):
            counter.n += 10
            run.state(total=0).total += 100
            kept = run.state(total=0)
            run.track(counter=counter)
            for _ in run.batches([1, 2]):
                if not _step(run, counter, stop):
                    return []
                run.log(total=kept.total)
        return [list(record.values.values()) for record in run.history()]

    session(4)
    found = session(-1)
    place.move("elsewhere")
    assert found == session(-1)


def test_what_is_tracked_past_the_restored_position_is_as_it_was(place: Place) -> None:
    """When the others have been put back for good."""
    weights = []
    for stop in (2, 4):
        run = place.setup()
        net = torch.nn.Linear(300, 300)
        run.track(net=net)
        late: torch.nn.Linear | None = None
        for _ in run.steps(5):
            if late is None:
                late = torch.nn.Linear(30, 30)
                run.track(late=late)
                weights.append((net.weight.tolist(), late.weight.tolist()))
            if not _step(run, None, stop):
                break
    assert weights[0] == weights[1]
