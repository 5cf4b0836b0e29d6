"""What the demo does, drawn before it begins: how long it trains, and at which moments it kills.

The same seed draws the same moments. Where exactly they strike still depends on how fast the machine is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import UsageError

__all__ = ["BATCH", "Moment", "Plan", "STEPS_PER_EPOCH"]

BATCH = 32
STEPS_PER_EPOCH = 45
_STARTS_KILLED_PER_KILL = 5


@dataclass(frozen=True)
class Moment:
    """When a VM dies: this part of a step's duration after this step; or, without a step, of a restore's duration."""

    step: int | None
    fraction: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """So many kills while it trains, and one more while it starts for every five of them."""

    kills: int
    epochs: int
    seed: int

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UsageError(f"{self.epochs} epochs are no training", hint="choose at least 1: --epochs 6")
        if not 1 <= self.kills < self.steps:
            raise UsageError(
                f"{self.kills} kills do not fit into {self.steps} steps",
                hint=f"choose from 1 to {self.steps - 1} with --kills, or more steps with --epochs",
            )

    @property
    def steps(self) -> int:
        return self.epochs * STEPS_PER_EPOCH

    @property
    def killed_starts(self) -> int:
        return -(-self.kills // _STARTS_KILLED_PER_KILL)

    def draws(self) -> Iterator[list[Moment]]:
        """One list of moments after another, should a training have ended before its last moment came."""
        chance = random.Random(self.seed)
        while True:
            steps = sorted(chance.sample(range(1, self.steps), self.kills))
            moments = [Moment(step, chance.random()) for step in steps]
            for place in sorted(chance.sample(range(1, self.kills + 1), self.killed_starts), reverse=True):
                moments.insert(place, Moment(None, chance.random()))
            yield moments
