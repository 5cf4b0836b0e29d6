"""How large, how often, how long: one value for a run that counts, one for a look that takes seconds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`saves` are the steps before which a checkpoint is made, as colab_resume makes one before the first step anyway;
    `rate` is what the slow Drive takes, in MB/s."""

    megabytes: int
    rounds: int
    steps: int
    saves: tuple[int, ...]
    step_seconds: float
    rate: int
    turns: int
    batches: int

    def __post_init__(self) -> None:
        if self.saves[:1] != (0,) or self.saves[-1] >= self.steps:
            raise ValueError(f"saves={self.saves} must begin with 0 and end before step {self.steps}")


FULL = Settings(
    megabytes=500, rounds=3, steps=18, saves=(0, 6, 12), step_seconds=0.3, rate=200, turns=5000, batches=300
)
QUICK = Settings(megabytes=50, rounds=1, steps=12, saves=(0, 4, 8), step_seconds=0.06, rate=200, turns=1000, batches=60)
