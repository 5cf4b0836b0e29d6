"""One pass over a loader, and what has to be known of it to go on: in its middle, and after its end.

Data with a state may go on, in the next pass, where the last one ended; or they begin anew, and a state from the end of
a pass would leave nothing of the next one. Which of both, nobody can ask them. So after a restart the end of the last
pass is gone through once more, from the last state that was taken inside it: whatever the data do then, they would have
done without the restart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from ...errors import StateMismatch
from .generators import Source
from .habits import Habits
from .once import Once
from .witness import Witness

__all__ = ["Counted", "Drawing", "Pass", "Subject", "Supply", "Track", "begin", "live_through"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Pass(Protocol[T_co]):
    """The items of one pass."""

    @property
    def keeps_state(self) -> bool:
        """Whether `state` is needed to go on from inside this pass."""
        ...

    @property
    def witness(self) -> Witness:
        """Whether it began as it did the first time."""
        ...

    def __iter__(self) -> Iterator[T_co]: ...

    def __next__(self) -> T_co: ...

    def state(self) -> Any:
        """What to go on from after the items handed out; asked between two items."""
        ...


class Supply(Protocol):
    """Where the items come from. `witness` looks at the first one, if a pass is drawn from its beginning."""

    witness: Witness

    @property
    def tells(self) -> str:
        """Who says where the data are; another one would not understand it."""
        ...

    @property
    def has_state(self) -> bool:
        """Whether the data can say where they are."""
        ...

    @property
    def goes_on(self) -> bool:
        """Whether a pass may begin where the last one ended."""
        ...

    def begin(self, seed: int, first: int, state: Any, own: list[Source], /) -> Iterator[Any]:
        """The items from `first` on, if possible by the state that was taken there.

        `own` are the generators that the order is drawn from.
        """
        ...

    def state(self, handed: int, /) -> Any:
        """Where the data are after so many items, or None."""
        ...


@runtime_checkable
class Counted(Protocol):
    """A supply whose next pass hangs on how many there were."""

    opened: int


@dataclass(frozen=True)
class Subject:
    """What a pass is drawn from, and what is known of it beyond the pass."""

    owners: Sequence[Any]
    habits: Habits
    passed_once: Sequence[Any]
    once: Once


class Track:
    """The course of one pass over data that may go on in the next one."""

    def __init__(self, seed: int, first: int, before: Any, *, goes_on: bool) -> None:
        self.before = before
        self.goes_on = goes_on
        self.handed = first
        self.ended = False
        self._seed = seed
        self._marks: deque[tuple[int, Any]] = deque(maxlen=2)

    @property
    def is_marked(self) -> bool:
        """Whether a state of this pass is known."""
        return bool(self._marks)

    def mark(self, told: Any) -> None:
        """The data were here after the items handed out so far."""
        if not self._marks or self._marks[-1][0] < self.handed:
            self._marks.append((self.handed, told))

    def place(self) -> Any:
        """Where the data stand now, in values; `live_through` leads there. None if every pass begins anew."""
        if not self.goes_on:
            return None
        if not self.handed and not self.ended:
            return self.before
        # Not the very last one: a generator that was told to go on does so only when it is drawn from, and not all
        # know from their state that the pass was over.
        marks = [mark for mark in self._marks if mark[0] < self.handed] or list(self._marks)
        first, told = marks[-1] if marks else (0, None)
        before = self.before if told is None else None
        course = {"seed": self._seed, "first": first, "drawn": self.handed - first, "ended": self.ended}
        return {**course, "told": told, "before": before}


class Drawing(Generic[T]):
    """One pass, while it is drawn from."""

    def __init__(self, items: Iterator[T], supply: Supply, track: Track, subject: Subject) -> None:
        self._items = items
        self.witness = supply.witness
        self._supply = supply
        self._track = track
        self._subject = subject
        self._at_begin = subject.habits.at_begin()
        self._drawn = False

    @property
    def keeps_state(self) -> bool:
        """Whether the data can say where they are, or their samplers change from pass to pass."""
        return self._supply.has_state or bool(self._at_begin)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        track = self._track
        if self._drawn and self._supply.goes_on and not track.is_marked:
            self._told()
        try:
            item = next(self._items)
        except StopIteration:
            if not track.ended:
                track.ended = True
                self._learn()
                for thing in self._subject.passed_once:
                    self._subject.once.ended(thing)
            self.witness.let_go()
            raise
        self.witness.hand_on(item)
        track.handed += 1
        if not self._drawn:
            self._drawn = True
            self._learn()
            for thing in self._subject.passed_once:
                self._subject.once.drawn(thing)
        return item

    def state(self) -> dict[str, Any]:
        """Where the data are; or where they were before this pass, if they must be drawn again to say so."""
        told = self._told()
        return {"told": told, "before": None if told else self._track.before, "habits": self._at_begin}

    def _told(self) -> Any:
        state = self._supply.state(self._track.handed) if self._supply.has_state else None
        self._track.goes_on = self._supply.goes_on
        if state is None:
            return None
        told = {"by": self._supply.tells, "state": state}
        self._track.mark(told)
        return told

    def _learn(self) -> None:
        self._subject.habits.learn(self._subject.owners)


def begin(supply: Supply, seed: int, first: int, told: Any, own: list[Source]) -> Iterator[Any]:
    """The items from `first` on; `told` is a state and who told it, or None."""
    if told is not None and told["by"] != supply.tells:
        raise StateMismatch(
            f"where the data are was told by the {told['by']}, and now by {supply.tells or 'nobody'}",
            hint="run the code that made this checkpoint with as many workers, or start a run with another name",
        )
    return supply.begin(seed, first, told and told["state"], own)


def live_through(supply: Supply, place: Any, own: list[Source]) -> None:
    """Bring the data to where they stood when this was their place."""
    if place["before"] is not None:
        live_through(supply, place["before"], own)
    items = begin(supply, place["seed"], place["first"], place["told"], own)
    for _ in islice(items, place["drawn"]):
        pass
    if place["ended"]:
        next(items, None)
