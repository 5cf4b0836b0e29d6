"""The way back: the same code is led to the recorded boundary, and the arrival is noticed exactly there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.errors import DamagedCheckpoint, StateMismatch
from colab_resume.training.cursor import Cursor
from colab_resume.training.position import Frame, Kind, Position


class Walk:
    """Nested loops driven the way the run drives them; `events` is what user code would have seen."""

    def __init__(self, target: Position | None, stop_at: int = -1) -> None:
        self.events: list[Any] = []
        self.boundaries: list[tuple[int, Position]] = []
        self.stop_at = stop_at
        self.cursor = Cursor(target, lambda: self.events.append("arrived"))

    def loop(self, kind: Kind, n: int, name: str) -> Iterator[int]:
        return self._loop(kind, n, name, self.cursor.announce())

    def _loop(self, kind: Kind, n: int, name: str, asked: int) -> Iterator[int]:
        if kind != "batches" and self.cursor.turns(name) >= n:
            return
        loop = self.cursor.open(kind, name=name, asked=asked)
        if loop is None:
            return
        while loop.frame.index < n:
            index = loop.frame.index
            if kind == "batches":
                self.cursor.hand_out(loop)
            yield index
            if kind == "epochs" or self.cursor.makes_steps(loop):
                self.cursor.step += self.cursor.makes_steps(loop)
                self.cursor.turn(loop)
                if loop.frame.index == n:
                    self.cursor.close(loop)
                self.boundaries.append((len(self.events), self.cursor.position()))
        self.cursor.close(loop)

    def endless(self, n: int) -> Iterator[int]:
        while True:
            yield from self.loop("batches", n, "batches")


def program(walk: Walk) -> None:
    """Two passes an epoch, an evaluation inside a step, a pair of passes side by side, two loops."""
    for _ in walk.loop("batches", 2, "batches"):
        walk.events.append("first pass")
    for epoch in walk.loop("epochs", 2, "epochs"):
        for batch in walk.loop("batches", 3, "batches"):
            for _ in walk.loop("batches", 2, "batches"):
                walk.events.append(("inner", epoch, batch))
            walk.events.append(("train", epoch, batch))
        for pair in zip(walk.loop("batches", 2, "batches"), walk.loop("batches", 2, "batches"), strict=True):
            walk.events.append(("pair", epoch, pair))
    short, long = walk.endless(3), walk.endless(4)
    for step in walk.loop("steps", 9, "tail"):
        walk.events.append(("tail", step, next(short), next(long) if step % 2 else None))


def _whole() -> Walk:
    walk = Walk(None)
    program(walk)
    return walk


@pytest.mark.parametrize("number", range(len(_whole().boundaries)))
def test_from_every_boundary_the_rest_is_what_would_have_come(number: int) -> None:
    """Nothing is done twice and nothing is left out, wherever the boundary lies; the arrival comes first."""
    whole = _whole()
    done, position = whole.boundaries[number]
    again = Walk(Position.from_json(position.to_json()))
    program(again)
    rest = whole.events[done:]
    assert again.events == (["arrived", *rest] if again.cursor.arrived else [])
    assert rest == [] or again.cursor.arrived


@pytest.mark.parametrize("number", range(len(_whole().boundaries)))
def test_boundaries_after_a_restart_are_the_same_as_without(number: int) -> None:
    """Steps, pass numbers and seeds go on as if nothing had happened."""
    whole = _whole()
    _, position = whole.boundaries[number]
    again = Walk(position)
    program(again)
    assert [position for _, position in again.boundaries] == [
        position for _, position in whole.boundaries[number + 1 :]
    ]


def test_every_pass_has_a_seed_of_its_own() -> None:
    """Otherwise two epochs would be shuffled alike."""
    seeds = {frame.seed for _, position in _whole().boundaries for frame in position.frames if frame.kind == "batches"}
    passes = max(position.passes for _, position in _whole().boundaries)
    assert len(seeds) >= 5
    assert passes == 1 + 2 * (1 + 3 + 2) + 3 + 1


def test_a_program_of_another_shape_is_refused() -> None:
    """Going on in a loop that is not the recorded one would be another training."""
    cursor = Cursor(Position(step=3, loops={"epochs": 1}, frames=(Frame(kind="epochs", name="epochs", index=1),)), list)
    with pytest.raises(StateMismatch, match=r"run\.epochs\(\) named 'epochs'.*run\.steps\(\) named 'steps'"):
        cursor.open("steps", name="steps")


def test_a_program_that_no_longer_enters_the_recorded_loop_is_refused() -> None:
    """Else it would run on without ever being put back."""
    frames = (Frame(kind="epochs", name="epochs", index=1), Frame(kind="batches", name="batches", index=4))
    cursor = Cursor(Position(step=3, loops={"epochs": 1}, frames=frames), list)
    loop = cursor.open("epochs", name="epochs")
    assert loop is not None
    with pytest.raises(StateMismatch, match=r"inside run\.batches\(\).*without entering it"):
        cursor.turn(loop)


def test_a_loop_may_be_made_longer_later() -> None:
    """Ten epochs are done; asked for twelve, the training arrives at once and goes on with the eleventh."""
    walk = Walk(Position(step=30, loops={"epochs": 10}))
    assert list(walk.loop("epochs", 12, "epochs")) == [10, 11]
    assert walk.events == ["arrived"]


def test_a_pass_that_was_left_early_counts_as_finished() -> None:
    """`break` ends it; the next one in this turn is the second."""
    cursor = Cursor(None, list)
    outer = cursor.open("epochs", name="epochs")
    assert outer is not None
    first = cursor.open("batches", name="batches")
    assert first is not None
    cursor.close(first)
    cursor.close(first)
    assert cursor.position().frames[0].finished == (0,)


_COUNT = st.integers(0, 2**40)
_FRAME = st.builds(
    Frame,
    kind=st.sampled_from(["epochs", "steps", "batches"]),
    name=st.text(max_size=5),
    index=_COUNT,
    seed=_COUNT,
    look=st.text(max_size=5),
    finished=st.lists(_COUNT, max_size=2).map(tuple),
)


@given(
    st.builds(
        Position,
        step=_COUNT,
        passes=_COUNT,
        finished=st.lists(_COUNT, max_size=2).map(tuple),
        loops=st.dictionaries(st.text(max_size=5), _COUNT),
        left=st.lists(st.text(max_size=5), max_size=2).map(tuple),
        frames=st.lists(_FRAME, max_size=4).map(tuple),
        beside=st.lists(st.none() | _FRAME, max_size=3).map(tuple),
    )
)
def test_a_position_survives_json(position: Position) -> None:
    """What is read is what was written."""
    assert Position.from_json(position.to_json()) == position


@pytest.mark.parametrize(
    "damage",
    [
        {"step": float("nan")},
        {"step": -1},
        {"step": True},
        {"loops": {"epochs": "3"}},
        {"loops": 3},
        {"left": [3]},
        {"frames": [{}]},
        {"frames": [{"kind": "forever", "name": "x"}]},
        {"frames": [{"kind": "epochs", "name": "x", "index": 1.5}]},
        {"frames": [{"kind": "epochs", "name": "x", "run": "rm"}]},
        {"frames": None},
        {"beside": [3]},
        {"finished": 2},
    ],
)
def test_a_position_that_cannot_be_is_damage(damage: dict[str, Any]) -> None:
    """It is read from a folder that others can write to."""
    with pytest.raises(DamagedCheckpoint):
        Position.from_json({**Position().to_json(), **damage})
