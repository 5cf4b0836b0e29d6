"""Stretches of a training whose loop a framework owns, with a run beside it and without one, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from statistics import fmean, median

import torch

import colab_resume

from .fits import Fit, Passes
from .training import Training
from .ways import new_run

__all__ = ["BARE", "COMPUTE", "LEFT_OUT", "TIMES", "Pair", "Step", "numbered", "pairs_of"]

COMPUTE, BARE = "steps that compute", "steps of next to nothing"
TIMES = {COMPUTE: 20, BARE: 6}
"""A machine changes from one stretch to the next by more than what is looked for."""
LEFT_OUT = 10
"""Steps in which the first checkpoint is still being written."""

_STEP_SECONDS = 0.05
_STEPS = {COMPUTE: 20, BARE: 200}

_numbers = count()


@dataclass(frozen=True)
class Step:
    """Seconds: from the passes of one step to those of the next; of these, between the passes."""

    whole: float
    between: float

    @classmethod
    def average(cls, steps: Sequence[Passes]) -> Step:
        """With all that happens in some of them only."""
        return cls._of(steps, fmean)

    @classmethod
    def usual(cls, steps: Sequence[Passes]) -> Step:
        """A step in which others had the machine tells nothing."""
        return cls._of(steps, median)

    @classmethod
    def _of(cls, steps: Sequence[Passes], middle: Callable[[Iterable[float]], float]) -> Step:
        pairs = list(pairwise(steps))
        whole = middle(after.begin - before.begin for before, after in pairs)
        return cls(whole, middle(after.begin - before.end for before, after in pairs))

    to_json = asdict


Pair = tuple[Step, Step]
"""What a step takes without a run, and with one."""


def numbered(folder: Path) -> Path:
    """A new folder in this one."""
    return folder / str(next(_numbers))


def pairs_of(kind: str, fit: Fit, times: int, folder: Path, tick: Callable[[], object]) -> list[Pair]:
    """So many pairs of stretches with steps of this kind, in an order that changes; `tick` is called after each."""
    stretch = (_computing if kind == COMPUTE else _bare)(fit, folder)
    of_steps = Step.usual if kind == COMPUTE else Step.average
    pairs = []
    for number in range(times):
        found = {}
        for attached in (number % 2 == 0, number % 2 != 0):
            here = numbered(folder)
            run = new_run(here / "store") if attached else None
            found[attached] = of_steps(stretch(here, run)[LEFT_OUT:])
            if run is not None:
                run.finish()
        pairs.append((found[False], found[True]))
        tick()
    return pairs


_Stretch = Callable[[Path, "colab_resume.Run | None"], Sequence[Passes]]


def _computing(fit: Fit, folder: Path) -> _Stretch:
    """Steps of about 50 ms."""
    training = Training.of_megabytes(10)
    items = 500
    for _ in range(2):
        batch = torch.randn(items, training.width)
        took = Step.usual(fit(training.model, batch, LEFT_OUT, numbered(folder), None)).whole
        items = max(1, round(items * _STEP_SECONDS / took))
    return partial(fit, training.model, torch.randn(items, training.width), LEFT_OUT + _STEPS[COMPUTE])


def _bare(fit: Fit, _folder: Path) -> _Stretch:
    """Steps that do next to nothing but what the framework does around them."""
    training = Training.of_tensors(2)
    return partial(fit, training.model, torch.randn(1, training.width), LEFT_OUT + _STEPS[BARE])
