"""The trial: one training that nobody kills beside one whose VM dies again and again.

Only what the processes told through their pipes counts here, and when; nothing is asked of the code that is on trial.
So each step that ran twice is compared by the loss that it had told before.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from .digits import write_digits
from .plan import Moment, Plan
from .vm import VM, Folders, TrainingFailed

__all__ = ["Life", "Watcher", "run_trial"]

Watcher = Callable[[str, int, int], None]
"""Called with "reference" or "killed", the number of the life and its newest step."""

_LONGEST_WAIT = 0.05
_RESTORE_SECONDS = 0.05
_ATTEMPTS = 3


@dataclass(kw_only=True)
class Life:
    """One VM's life as the demo saw it. `resumed` is 0 where there was nothing to resume from yet."""

    number: int
    began: float | None = None
    resumed: int | None = None
    ready: float | None = None
    steps: dict[int, float] = field(default_factory=dict)
    again: int = 0
    identical: int = 0
    died: float | None = None

    @property
    def restore_seconds(self) -> float | None:
        """From the first line of the notebook until everything was tracked, if there was something to restore."""
        return self.ready - self.began if self.resumed and self.ready and self.began else None

    @property
    def step_seconds(self) -> float:
        """How long a step takes, lately."""
        times = list(self.steps.values())[-10:]
        return median(b - a for a, b in pairwise(times)) if len(times) > 1 else _LONGEST_WAIT

    @property
    def last(self) -> int | None:
        """The newest step it has told."""
        return max(self.steps, default=None)

    def lost(self, resumed: int) -> tuple[int, float]:
        """Steps and seconds that died with it, where the next life went on from the step `resumed`."""
        if self.died is None or self.ready is None or self.last is None or self.last <= resumed:
            return 0, 0.0
        return self.last - resumed, self.died - self.steps.get(resumed, self.ready)


class _Training:
    """A training on one VM after another."""

    def __init__(self, folders: Folders, plan: Plan, name: str, watch: Watcher, moments: list[Moment]) -> None:
        self.lives: list[Life] = []
        self.over = False
        self.moments = moments
        self._folders = folders
        self._plan = plan
        self._name = name
        self._watch = watch
        self._losses: dict[int, str] = {}
        self._due: float | None = None
        self._new_vm()

    @property
    def pipe(self) -> int:
        return self._vm.pipe

    @property
    def wait(self) -> float:
        """How long nothing needs to be done if nothing is told."""
        return _LONGEST_WAIT if self._due is None else min(_LONGEST_WAIT, max(0.0, self._due - time.monotonic()))

    def look(self) -> None:
        """Note what it told; kill it if its moment has come; see whether it has ended."""
        self._hear()
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._kill_unless_at_its_end()
        elif self._vm.has_ended():
            self._hear()
            self.close()
            self.over = True

    def close(self) -> None:
        self._vm.close()

    def _new_vm(self) -> None:
        self.lives.append(Life(number=len(self.lives) + 1))
        self._vm = VM(self._folders, life=len(self.lives), epochs=self._plan.epochs)
        self._watch(self._name, len(self.lives), 0)

    def _kill_unless_at_its_end(self) -> None:
        life = self.lives[-1]
        if life.last == self._plan.steps:
            return
        self._vm.kill()
        life.died = time.monotonic()
        self._hear()
        # It may have run on until the signal came; a kill after the last step is none of those that were promised.
        if life.last != self._plan.steps:
            self.moments.pop(0)
        self.close()
        self._new_vm()

    def _hear(self) -> None:
        life = self.lives[-1]
        for what in self._vm.told():
            now = time.monotonic()
            if "begins" in what:
                life.began = now
            elif "ready" in what:
                life.ready, life.resumed = now, what["ready"] or 0
            elif "step" in what:
                self._note_step(life, what, now)
            self._choose_moment(life, now)

    def _note_step(self, life: Life, what: dict[str, Any], now: float) -> None:
        step, loss = what["step"], what["loss"]
        life.steps[step] = now
        if step in self._losses:
            life.again += 1
            life.identical += loss == self._losses[step]
        else:
            self._losses[step] = loss
        self._watch(self._name, life.number, step)

    def _choose_moment(self, life: Life, now: float) -> None:
        if self._due is not None or not self.moments or life.died is not None or life.last == self._plan.steps:
            return
        moment = self.moments[0]
        if moment.step is None and life.began is not None:
            usual = [other.restore_seconds for other in self.lives if other.restore_seconds]
            self._due = now + moment.fraction * (usual[-1] if usual else _RESTORE_SECONDS)
        elif moment.step is not None and life.last is not None and life.last >= moment.step:
            self._due = now + moment.fraction * life.step_seconds


def run_trial(plan: Plan, root: Path, watch: Watcher) -> tuple[Folders, Folders, list[Life]]:
    """Where the undisturbed and the killed training lie, and the lives of the killed one.

    Raises `TrainingFailed` if one of them ended in a way that was not ours.
    """
    data = root / "digits.npz"
    write_digits(data)
    reference = Folders(root / "reference", data)
    with contextlib.ExitStack() as stack:
        undisturbed = _Training(reference, plan, "reference", watch, [])
        stack.callback(undisturbed.close)
        for attempt, moments in zip(range(1, _ATTEMPTS + 1), plan.draws(), strict=False):
            folders = Folders(root / f"killed-{attempt}", data)
            killed = _Training(folders, plan, "killed", watch, moments)
            stack.callback(killed.close)
            _run_together([undisturbed, killed])
            if not killed.moments:
                return reference, folders, killed.lives
    raise TrainingFailed(
        f"{_ATTEMPTS} times the training was at its end before the last moment to kill it came",
        hint="choose more --epochs, or fewer --kills",
    )


def _run_together(trainings: list[_Training]) -> None:
    while going := [training for training in trainings if not training.over]:
        select.select([training.pipe for training in going], [], [], min(training.wait for training in going))
        for training in going:
            training.look()
