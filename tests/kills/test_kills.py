"""A training is killed 200 times, at any moment, on the same disk or with a new one, and ends as if nothing had been.

Ten stories of 20 kills each: 14 at random moments, and 2 each on purpose during a save, an upload and a restore.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from kills.ambush import Death, Moment
from kills.conftest import Reference
from kills.folders import unreadable
from kills.training import STEPS
from kills.zygote import Life, Zygote

__all__: list[str] = []

_STORIES = range(10)
_CHANCES: dict[Moment, int] = {"save": 26, "upload": 22, "restore": 100}
"""About how many calls to the system one of them makes; to wait for one that never comes only costs a kill more."""


@dataclass
class _Story:
    """One training that is killed again and again, with all that chance decides about it taken from `seed`."""

    folder: Path
    seed: int
    steps: Path

    def __post_init__(self) -> None:
        self.choose = random.Random(self.seed)
        self.every = self.choose.randint(1, 5)
        self.kills: Counter[Moment] = Counter()
        self.step = 0

    @property
    def store(self) -> Path:
        return self.folder / "disk"

    @property
    def remote(self) -> Path:
        return self.folder / "drive"

    def be_killed(self, zygote: Zygote, moment: Moment, still: int) -> bool:
        """One more life; whether it ended as it was to. `still` more are to end before the training does."""
        if self.choose.random() < 0.4:
            shutil.rmtree(self.store, ignore_errors=True)
        end = zygote.live(self._life(self._death(moment, still)))
        assert end.how == "killed", f"seed {self.seed}: {end.how} at {moment}\n{end.text}"
        assert "Traceback" not in end.text, f"seed {self.seed}\n{end.text}"
        assert end.told is not None
        assert not unreadable(self.store) + unreadable(self.remote), f"seed {self.seed}, {end.told}"
        self.kills[end.told.moment] += 1
        self.step = max(self.step, end.told.step)
        return end.told.moment == moment

    def check_end(self, zygote: Zygote, reference: Reference) -> None:
        """Let the training come to its end, and hold that against the training that nobody killed."""
        end = zygote.live(self._life(None))
        assert end.how == "complete", f"seed {self.seed}\n{end.text}"
        assert end.result is not None
        assert end.result.digest == reference.result.digest, f"seed {self.seed}"
        assert end.result.history == reference.result.history, f"seed {self.seed}"
        assert (end.result.safe, end.result.problems) == (STEPS, []), f"seed {self.seed}"

    def _life(self, death: Death | None) -> Life:
        workers = self.choose.choice((0, 2)) if self.seed % 5 == 4 else 0
        return Life(
            store=str(self.store),
            remote=str(self.remote),
            every=self.every,
            workers=workers,
            expected=str(self.steps),
            death=death,
        )

    def _death(self, moment: Moment, still: int) -> Death:
        share = (STEPS - self.step) // (still + 1)
        if moment in _CHANCES:
            hold = self.step + self.every + 1
            return Death(moment=moment, nth=self.choose.randint(1, _CHANCES[moment]), hold=min(hold, STEPS))
        nth = self.choose.randint(0, max(1, min(8, share)))
        delay = self.choose.uniform(0.0, 0.005 if nth else 0.06)
        return Death(moment=moment, nth=nth, hold=min(self.step + nth + 3, STEPS), delay=delay)


def _tell(zygote: Zygote, story: _Story, moments: Counter[Moment]) -> None:
    """Let the story run until it has been killed at each of these moments, in an order of its own."""
    waiting = list(moments.elements())
    story.choose.shuffle(waiting)
    lives = 0
    while waiting:
        lives += 1
        assert lives < 5 * moments.total(), f"seed {story.seed}: {waiting} never came"
        moment = waiting.pop()
        if not story.be_killed(zygote, moment, len(waiting)):
            waiting.insert(0, moment)


@pytest.mark.slow
@pytest.mark.parametrize("seed", _STORIES)
def test_a_training_that_was_killed_20_times_ends_bit_exactly(
    zygote: Zygote, reference: Reference, tmp_path: Path, seed: int
) -> None:
    """Nothing raises, no checkpoint is unreadable, each step after each restart is as it was, and so is the end."""
    story = _Story(tmp_path, seed, reference.steps)
    moments = Counter[Moment]({"anywhere": 14, "save": 2, "upload": 2, "restore": 2})
    _tell(zygote, story, moments)
    assert story.kills >= moments
    story.check_end(zygote, reference)


def test_a_training_that_was_killed_10_times_ends_bit_exactly(
    zygote: Zygote, reference: Reference, tmp_path: Path
) -> None:
    """The same in short."""
    story = _Story(tmp_path, 100, reference.steps)
    moments = Counter[Moment]({"anywhere": 4, "save": 2, "upload": 2, "restore": 2})
    _tell(zygote, story, moments)
    assert story.kills >= moments
    story.check_end(zygote, reference)
