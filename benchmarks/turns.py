"""One turn of a training loop, timed from outside and for every way alike.

So whatever happens at the boundary and before the update counts, not what the tool believes to have cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from statistics import median
from typing import TypeVar

from .training import Training
from .ways import Saver

__all__ = ["Loop", "Turn", "extra", "in_turns", "opened"]

_S = TypeVar("_S", bound=Saver)
_T = TypeVar("_T")
_TOO_MANY = 5000


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Seconds: at the boundary before a step, waiting between its passes and its update, and from boundary to end."""

    boundary: float
    waited: float
    whole: float

    @property
    def held(self) -> float:
        """How long the training stood still."""
        return self.boundary + self.waited


class Loop:
    """Makes turns with a saver; `fetch` is what a step does before its passes."""

    def __init__(self, saver: Saver, training: Training, *, fetch: Callable[[], object] = lambda: None) -> None:
        self._saver = saver
        self._training = training
        self._fetch = fetch
        self._number = 0

    def turn(self, *, save: bool = False) -> Turn:
        """One boundary and one step."""
        begin = time.perf_counter()
        if save:
            self._saver.save(self._number)
        self._number = next(self._saver.turns) + 1
        entered = time.perf_counter()
        self._fetch()
        self._training.passes()
        passed = time.perf_counter()
        self._saver.wait_before_update()
        allowed = time.perf_counter()
        step = self._training.update()
        end = time.perf_counter()
        return Turn(boundary=entered - begin, waited=allowed - passed + step.waited, whole=end - begin)

    def unsaved(self, count: int) -> list[Turn]:
        """So many turns without a checkpoint."""
        return [self.turn() for _ in range(count)]

    def saved(self, least: int) -> list[Turn]:
        """A checkpoint and at least so many turns, on until it is finished; what it left behind is then deleted."""
        turns = [self.turn(save=True)]
        while len(turns) < least or self._saver.is_busy():
            turns.append(self.turn())
            if len(turns) == _TOO_MANY:
                raise RuntimeError(f"a checkpoint was not finished after {_TOO_MANY} steps")
        self._saver.tidy()
        return turns


def extra(turns: Sequence[Turn], usual: Sequence[Turn]) -> float:
    """How long a checkpoint held the training, from its boundary until it was finished, beyond what is usual."""
    normal = median(turn.held for turn in usual)
    return max(0.0, sum(turn.held - normal for turn in turns))


@contextmanager
def opened(
    way: Callable[[Training, Path], AbstractContextManager[_S]], training: Training, folder: Path
) -> Iterator[_S]:
    """The way, in a folder that is there for it alone."""
    folder.mkdir(parents=True)
    try:
        with way(training, folder) as saver:
            yield saver
    finally:
        rmtree(folder)


def in_turns(contenders: Mapping[str, _T], rounds: int) -> Iterator[list[tuple[str, _T]]]:
    """All of them in each round, in an order that changes: each finds the memory as the one before has left it."""
    every = list(contenders.items())
    for number in range(rounds):
        shift = number * len(every) // max(2, rounds)
        yield every[shift:] + every[:shift]
