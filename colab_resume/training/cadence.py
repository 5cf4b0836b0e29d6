"""When is a checkpoint due: as the user asked, or as often as is worth its cost.

Where nobody asked, what saving costs is balanced against what a lost VM costs, after Young (1974), "A first order
approximation to the optimum checkpoint interval", and Daly (2006), "A higher order estimate of the optimum checkpoint
interval": with C seconds that a checkpoint costs the training and M seconds that a session lives on the average, least
time is lost at an interval of sqrt(2 C M). Daly's further terms matter where C is near M, which the budget keeps far
away. The interval is the longest of

- sqrt(2 C M): saving more often costs more than it can bring back;
- C / budget: saving takes no larger share of the time than the user allows;
- 1.2 W: writing one takes W seconds in the background, and the next must find the writer free;
- 1.2 U: it takes U seconds until one has reached the remote, and what has not is lost with the VM. But 2 min at most:
  where the remote is slower than that, it takes the newest of several, and the others are there when only the kernel
  crashes, which is the more frequent end and needs no remote;

and lies between 5 s and 10 min. There the bounds win: where C is above 10 min x budget, it costs more than the budget,
and `reason` says so. C is the stall and the slowdown together, the mean of the last eight saves: so each is paid for in
full by the intervals after it, however uneven they are, and a single slow one stretches none of them much. W and U are
the medians of the last three, so that one slow answer does not count at all.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from statistics import fmean, median

from ..errors import UsageError
from .every import EveryEpochs, EverySeconds, EverySteps, parse_every

__all__ = ["Cadence"]

SHORTEST = 5.0
LONGEST = 600.0
_LONGEST_FOR_REMOTE = 120.0
_LEAST_COST = 0.001
_USUAL_LIFE = 3600.0


class Cadence:
    """Asked by the loop at each boundary, told by the writer after each save.

    `mttf` is the mean life of this run's sessions in seconds, if one is known.
    """

    def __init__(
        self,
        every: int | str | float | None = None,
        *,
        budget: float = 0.02,
        mttf: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 < budget <= 0.5:
            raise UsageError(f"budget={budget!r} is not a share of the time", hint="above 0, at most 0.5, e.g. 0.02")
        if mttf is not None and not (math.isfinite(mttf) and mttf > 0):
            raise UsageError(f"mttf={mttf!r} is not a time", hint="the mean life of a session in seconds, e.g. 3600")
        self.every = parse_every(every)
        self._budget = budget
        self._mttf = mttf
        self._clock = clock
        self._costs: deque[float] = deque(maxlen=8)
        self._writes: deque[float] = deque(maxlen=3)
        self._uploads: deque[float] = deque(maxlen=3)
        # The loop and the writer both bring news, and neither may look into a list that the other one adds to.
        self._cost: float | None = None
        self._write = self._upload = 0.0
        self._begun = self._owed = False
        self._next_step = 0
        self._captured = -math.inf
        self._chosen = self._choice()

    @property
    def interval(self) -> float | None:
        """Seconds from one capture to the next; None where steps or epochs decide."""
        return self._chosen[0]

    @property
    def upload_seconds(self) -> float:
        """How long it takes until a checkpoint has reached the remote; 0.0 as long as none has."""
        return self._upload

    @property
    def reason(self) -> str:
        """Why the interval is what it is, for people."""
        return self._chosen[1]

    def due(self, step: int) -> bool:
        """Whether to capture at this boundary; stays true until `saved`, so do not ask while a save is under way."""
        if not self._begun:
            self._begin(step)
        if isinstance(self.every, EveryEpochs):
            return self._owed
        if isinstance(self.every, EverySteps):
            return step >= self._next_step
        return self._clock() >= self._captured + (self.interval or 0.0)

    def wants_end_of(self, epoch: int) -> bool:
        """Whether the user asked for a checkpoint where this epoch, counted from 0, ends."""
        return isinstance(self.every, EveryEpochs) and (epoch + 1) % self.every.epochs == 0

    def owe(self) -> None:
        """Such an epoch ends: a checkpoint is due from now on, until one is saved."""
        self._owed = True

    def can_afford_one_more(self) -> bool:
        """Whether a save now, out of turn, keeps the budget: the last one is long enough ago."""
        return self._cost is None or self._clock() - self._captured >= max(self._cost, _LEAST_COST) / self._budget

    def saved(self, step: int, *, stall: float, write: float, slowed: float = 0.0) -> None:
        """A save that was captured at `step` is over, well or not: it held the loop for `stall` seconds, took `write`
        more in the background, and steps took `slowed` seconds longer. Intervals run from capture to capture."""
        self._captured = self._clock() - stall - write
        self._costs.append(stall + slowed)
        self._writes.append(write)
        self._cost, self._write = fmean(self._costs), median(self._writes)
        if isinstance(self.every, EverySteps):
            self._next_step = (step // self.every.steps + 1) * self.every.steps
        self._begun, self._owed = True, False
        self._chosen = self._choice()

    def sent(self, seconds: float) -> None:
        """A checkpoint has reached the remote, so long after it was captured."""
        self._uploads.append(seconds)
        self._upload = median(self._uploads)
        self._chosen = self._choice()

    def _begin(self, step: int) -> None:
        """By itself it saves at the first boundary: the cost is unknown until then, and so is whether saving works."""
        if isinstance(self.every, EverySteps):
            self._next_step = max(1, math.ceil(step / self.every.steps)) * self.every.steps
        elif isinstance(self.every, EverySeconds):
            self._captured = self._clock()
        self._begun = True

    def _choice(self) -> tuple[float | None, str]:
        if isinstance(self.every, EveryEpochs):
            return None, f"at the end of every {self.every.epochs} epochs, as asked"
        if isinstance(self.every, EverySteps):
            return None, f"every {self.every.steps} steps, as asked"
        if isinstance(self.every, EverySeconds):
            return self.every.seconds, f"every {self.every.seconds:.4g} s, as asked"
        if self._cost is None:
            return SHORTEST, "at the first boundary: what saving costs is not measured yet"
        return self._worthwhile(self._cost)

    def _worthwhile(self, cost: float) -> tuple[float, str]:
        wanted, why = max(self._wishes(cost))
        if wanted < SHORTEST:
            return SHORTEST, f"every {SHORTEST:.3g} s: never more often; it costs {cost / SHORTEST:.2%} of the time"
        if wanted > LONGEST:
            share = f"it costs {cost / LONGEST:.2%} of the time"
            return LONGEST, f"every {LONGEST:.3g} s: never less often, though {why}; {share}"
        return wanted, f"every {wanted:.3g} s: {why}, and a save costs {cost:.2g} s"

    def _wishes(self, cost: float) -> list[tuple[float, str]]:
        """Intervals that there are reasons for, with the reasons."""
        life = f"sessions are taken to live {_USUAL_LIFE / 60:.3g} min"
        if self._mttf is not None:
            life = f"sessions of this run live {self._mttf / 60:.3g} min"
        upload = f"sending takes {self._upload:.3g} s"
        if 1.2 * self._upload > _LONGEST_FOR_REMOTE:
            upload += ", so not every one is sent"
        return [
            (math.sqrt(2 * max(cost, _LEAST_COST) * (self._mttf or _USUAL_LIFE)), life),
            (cost / self._budget, f"saving may cost {self._budget:.2%} of the time"),
            (1.2 * self._write, f"writing takes {self._write:.3g} s"),
            (min(1.2 * self._upload, _LONGEST_FOR_REMOTE), upload),
        ]
