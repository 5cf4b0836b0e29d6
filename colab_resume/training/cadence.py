"""When is a checkpoint due: every so many steps, every so many seconds, or as often as is worth its cost.

`Auto` balances what saving costs against what a lost VM costs, after Young (1974), "A first order approximation to the
optimum checkpoint interval", and Daly (2006), "A higher order estimate of the optimum checkpoint interval": with a
stall of C seconds per checkpoint and a mean time of M seconds between failures, least time is lost at an interval of
sqrt(2 C M). Daly's further terms matter where C is near M, which the budget keeps far away. The interval is the longest
of

- sqrt(2 C M): saving more often costs more than it can bring back;
- C / budget: saving takes no larger share of the time than the user allows;
- 1.2 W: writing one takes W seconds in the background, and the next must find the writer free;

and lies between 5 s and 10 min. There the bounds win: a stall above 10 min x budget costs more than the budget, and
`reason` says so. C and W are the medians of the last three saves, so that one slow save does not stretch the interval.
"""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from ..errors import UsageError

__all__ = ["Auto", "Cadence", "Every", "EverySeconds", "EverySteps", "parse_every"]

SHORTEST = 5.0
LONGEST = 600.0
_LEAST_STALL = 0.001

_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
_EXAMPLES = "500 or '500 steps', '30 s', '5 min', '1.5 h', or None for as often as is worth it"


@dataclass(frozen=True)
class EverySteps:
    """At every multiple of so many steps, so that a restart does not move them."""

    steps: int

    def __post_init__(self) -> None:
        if type(self.steps) is not int or self.steps < 1:
            raise _refusal(self.steps, "it must be a whole number of steps, at least 1")


@dataclass(frozen=True)
class EverySeconds:
    """So many seconds from one capture to the next."""

    seconds: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise _refusal(self.seconds, "it must be a time above 0")


@dataclass(frozen=True)
class Auto:
    """As often as is worth its cost."""


Every = EverySteps | EverySeconds | Auto


def parse_every(every: int | str | float | None) -> Every:
    """What the user means by `every=`; a bare number, also as text, is a number of steps."""
    if every is None:
        return Auto()
    if isinstance(every, bool) or not isinstance(every, int | float | str):
        raise _refusal(every, f"a {type(every).__name__} says neither steps nor time")
    if isinstance(every, str):
        return _parse_text(every)
    if isinstance(every, float) and not every.is_integer():
        raise _refusal(every, "it must be a whole number of steps; a time needs a unit")
    return EverySteps(int(every))


def _parse_text(text: str) -> Every:
    match = re.fullmatch(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*([a-z]*)\s*", text.lower())
    if match is None:
        raise _refusal(text, "it is not a number with a unit")
    number, unit = match.groups()
    if unit in _UNITS:
        return EverySeconds(float(number) * _UNITS[unit])
    if unit not in ("", "step", "steps"):
        raise _refusal(text, f"{unit!r} is not a unit")
    if "." in number:
        raise _refusal(text, "it must be a whole number of steps; a time needs a unit")
    return EverySteps(int(number))


def _refusal(every: object, reason: str) -> UsageError:
    return UsageError(f"every={every!r}: {reason}", hint=f"for example {_EXAMPLES}")


class Cadence:
    """Asked by the loop at each boundary, told by the writer after each save."""

    def __init__(
        self,
        every: int | str | float | None = None,
        *,
        budget: float = 0.02,
        mttf: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 < budget <= 0.5:
            raise UsageError(f"budget={budget!r} is not a share of the time", hint="above 0, at most 0.5, e.g. 0.02")
        if not (math.isfinite(mttf) and mttf > 0):
            raise UsageError(f"mttf={mttf!r} is not a time", hint="the mean life of a session in seconds, e.g. 3600")
        self.every = parse_every(every)
        self._budget = budget
        self._mttf = mttf
        self._clock = clock
        self._stalls: deque[float] = deque(maxlen=3)
        self._writes: deque[float] = deque(maxlen=3)
        self._begun = False
        self._next_step = 0
        self._next_time = -math.inf
        self._captured = -math.inf
        self._interval, self._reason = self._choice()

    @property
    def interval(self) -> float | None:
        """Seconds from one capture to the next; None where steps decide."""
        return self._interval

    @property
    def reason(self) -> str:
        """Why the interval is what it is, for people."""
        return self._reason

    def due(self, step: int) -> bool:
        """Whether to capture at this boundary; stays true until `saved`, so do not ask while a save is under way."""
        if not self._begun:
            self._begin(step)
        if isinstance(self.every, EverySteps):
            return step >= self._next_step
        return self._clock() >= self._next_time

    def can_afford_one_more(self) -> bool:
        """Whether a save now, out of turn, keeps the budget: the last one is long enough ago."""
        if not self._stalls:
            return True
        return self._clock() - self._captured >= max(median(self._stalls), _LEAST_STALL) / self._budget

    def saved(self, step: int, *, stall: float, write: float) -> None:
        """A save that was captured at `step` is over, well or not: it held the loop for `stall` seconds and took
        `write` more in the background. Intervals run from capture to capture."""
        self._captured = self._clock() - stall - write
        self._stalls.append(stall)
        self._writes.append(write)
        self._interval, self._reason = self._choice()
        if isinstance(self.every, EverySteps):
            self._next_step = (step // self.every.steps + 1) * self.every.steps
        elif self._interval is not None:
            self._next_time = self._captured + self._interval
        self._begun = True

    def _begin(self, step: int) -> None:
        """`Auto` saves at the first boundary: the cost is unknown until then, and so is whether saving works."""
        if isinstance(self.every, EverySteps):
            self._next_step = max(1, math.ceil(step / self.every.steps)) * self.every.steps
        elif isinstance(self.every, EverySeconds):
            self._next_time = self._clock() + self.every.seconds
        self._begun = True

    def _choice(self) -> tuple[float | None, str]:
        if isinstance(self.every, EverySteps):
            return None, f"every {self.every.steps} steps, as asked"
        if isinstance(self.every, EverySeconds):
            return self.every.seconds, f"every {self.every.seconds:.4g} s, as asked"
        if not self._stalls:
            return SHORTEST, "at the first boundary: what saving costs is not measured yet"
        return self._worthwhile(median(self._stalls), median(self._writes))

    def _worthwhile(self, stall: float, write: float) -> tuple[float, str]:
        wanted, why = max(
            (math.sqrt(2 * max(stall, _LEAST_STALL) * self._mttf), f"sessions live {self._mttf / 60:.3g} min"),
            (stall / self._budget, f"saving may cost {self._budget:.2%} of the time"),
            (1.2 * write, f"writing takes {write:.3g} s"),
        )
        if wanted < SHORTEST:
            return SHORTEST, f"every {SHORTEST:.3g} s: never more often; it costs {stall / SHORTEST:.2%} of the time"
        if wanted > LONGEST:
            cost = f"it costs {stall / LONGEST:.2%} of the time"
            return LONGEST, f"every {LONGEST:.3g} s: never less often, though {why}; {cost}"
        return wanted, f"every {wanted:.3g} s: {why}, and a save holds the loop for {stall:.2g} s"
