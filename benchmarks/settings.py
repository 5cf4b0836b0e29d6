"""How large, how often, how long: one value for a run that counts, one for a look that takes seconds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes are in MB, times in seconds, `rate` in MB/s."""

    megabytes: int
    """The state of every section that does not compare sizes."""
    sizes: tuple[int, ...]
    """The states that stalls are compared at."""
    small_tensors: int
    """... and one of so many small parameters."""
    gpu_sizes: tuple[int, ...]
    rounds: int
    repeats: int
    """As `rounds`, for what takes seconds."""
    saves: int
    """How many checkpoints a way makes each time it has its turn, behind its first."""
    step_seconds: float
    """A step of the sections that look at a whole run."""
    steps: int
    """From one checkpoint to the next."""
    pairs: int
    """How many stretches with a checkpoint a way makes there, each between two without."""
    stretch: float
    """How long the training goes on at a time to see the default cadence, and `stretches` how often."""
    stretches: int
    processes: int
    """How often each way is asked for its memory; that varies little."""
    rate: int
    checkpoints: int
    """How many one run holds in the end where growth is measured; `tensors` in one state, `runs` in one folder."""
    tensors: int
    runs: int
    turns: int
    batches: int

    def __post_init__(self) -> None:
        if self.saves < 1 or self.pairs < 1 or self.steps < 4:
            raise ValueError("there is nothing to compare with fewer than 1 save, 1 pair or 4 steps")


FULL = Settings(
    megabytes=500,
    sizes=(50, 500, 1500),
    small_tensors=2000,
    gpu_sizes=(2000, 10_000),
    rounds=2,
    repeats=12,
    saves=3,
    step_seconds=0.5,
    steps=10,
    pairs=4,
    stretch=45.0,
    stretches=2,
    processes=1,
    rate=200,
    checkpoints=10_000,
    tensors=5000,
    runs=100,
    turns=5000,
    batches=300,
)
QUICK = Settings(
    megabytes=50,
    sizes=(10, 50),
    small_tensors=200,
    gpu_sizes=(200,),
    rounds=1,
    repeats=1,
    saves=1,
    step_seconds=0.06,
    steps=6,
    pairs=1,
    stretch=2.0,
    stretches=1,
    processes=1,
    rate=200,
    checkpoints=100,
    tensors=200,
    runs=4,
    turns=1000,
    batches=60,
)
