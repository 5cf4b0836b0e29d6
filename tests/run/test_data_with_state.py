"""Data that know where they are, in whole runs: wherever a run stops, the next item is the one that was due."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from run.conftest import Place

import colab_resume


class _Stateful:
    def __init__(self) -> None:
        self.n = 0
        self.passes = 0

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class RewindsAtTheBeginning(_Stateful):
    """After its last item its state is that of a pass that may end or begin."""

    def __iter__(self) -> Iterator[Any]:
        if self.n >= 5:
            self.n, self.passes = 0, self.passes + 1
        while self.n < 5:
            self.n += 1
            yield self.passes, self.n


class RewindsAtTheEnd(_Stateful):
    def __iter__(self) -> Iterator[Any]:
        while self.n < 5:
            self.n += 1
            yield self.passes, self.n
        self.n, self.passes = 0, self.passes + 1


class BeginsAnew(_Stateful):
    """What it is told holds for one pass."""

    def __iter__(self) -> Iterator[Any]:
        first, self.n = self.n, 0
        for number in range(first, 5):
            self.n = number + 1
            yield self.passes, number + 1
        self.n = 0


class GoesOnForEver(_Stateful):
    """Each pass is the next five."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            self.n += 1
            yield self.passes, self.n
            if self.n % 5 == 0:
                return


def _epochs(run: colab_resume.Run, data: Any) -> Iterator[Any]:
    for _ in run.epochs(3):
        yield from run.batches(data)


def _steps(run: colab_resume.Run, data: Any) -> Iterator[Any]:
    def endless() -> Iterator[Any]:
        while True:
            yield from run.batches(data)

    items = endless()
    for _ in run.steps(14):
        yield next(items)


def _steps_drawn_ahead(run: colab_resume.Run, data: Any) -> Iterator[Any]:
    def endless() -> Iterator[Any]:
        while True:
            yield from run.batches(data, ahead=True)

    items = endless()
    item = next(items)
    for _ in run.steps(14):
        following = next(items)
        yield item
        item = following


@pytest.mark.slow
@pytest.mark.parametrize("kind", [RewindsAtTheBeginning, RewindsAtTheEnd, BeginsAnew, GoesOnForEver])
@pytest.mark.parametrize("loop", [_epochs, _steps, _steps_drawn_ahead], ids=lambda loop: loop.__name__.strip("_"))
@pytest.mark.parametrize("stop", [0, 3, 4, 5, 6, 9, 10, 11])
def test_the_next_item_is_the_one_that_was_due(place: Place, kind: Any, loop: Any, stop: int) -> None:
    """Whatever the data do between two passes, and also where a pass has just ended."""

    def train(stop: int) -> list[Any]:
        run, seen = place.setup(), list[Any]()
        for item in loop(run, kind()):
            run._saving.writer.wait(None)
            if len(seen) == stop:
                return []
            seen.append(item)
            run.log(item=str(item))
        return [record.values["item"] for record in run.history()]

    train(stop)
    found = train(-1)
    place.move("elsewhere")
    assert found == train(-1)
    assert len(found) == len(set(found)) or kind is BeginsAnew


@pytest.mark.parametrize(("data", "settled"), [([1, 2, 3], True), (GoesOnForEver(), False), (RewindsAtTheEnd(), False)])
def test_what_data_say_of_themselves_is_not_taken_for_a_copy(data: Any, settled: bool, place: Place) -> None:
    """It may be the very dict that they go on with; so it is stored at the boundary, and not beside the next step."""
    run = place.setup()
    loops = run._course.loops
    for epoch in run.epochs(2):
        for _ in run.batches(data):
            assert loops.is_settled(loops.state()) is settled
        if epoch == 1:
            assert loops.is_settled(loops.state()) is settled
    run.finish()
