"""The runs of a check, one after another, and what each of them proves.

A: as things are. B: after what a restart restores, and nothing else. C: after everything was put back. D: after the
tracked objects were filled with other numbers and then restored. If A and C differ, the steps cannot be repeated at
all. If A and B differ, something that a restart does not bring back counts; if A and D do, a tracked object gives an
incomplete state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from ..display.text import say
from ..training.tracking import Tracking
from . import verdicts
from .kernels import noted_alerts
from .photo import Look, Photo, look
from .reach import Owner, Root
from .report import Row
from .restart import Restart
from .trial import Trace, Trial

__all__ = ["Examination"]


@dataclass(frozen=True, eq=False)
class Examination:
    """Everything that takes part in a check."""

    tracking: Tracking
    trial: Trial
    photo: Photo
    restart: Restart
    roots: Callable[[], Iterable[Root]]

    def rows(self) -> list[Row]:
        """Make the runs, and say what they showed."""
        before = self._look()
        say(f"check · {self.trial.steps} steps as they are")
        first, ended = self._run()
        self.restart.apply()
        lost = before.changed(self._look())
        say("check · the same steps with only that restored which a restart restores")
        again, again_ended = self._run()
        say("check · the same steps with everything put back")
        self.photo.put_back()
        repeated = self.trial.run()
        beside = first.beside_the_point(repeated)
        first = first.without(beside)
        unlike = first.difference(repeated)
        rows = verdicts.about_repeating(unlike, self._alerts()) + verdicts.about_given(beside)
        if unlike:
            return rows + verdicts.about_lost_unproved(lost.values())
        say("check · the same steps in objects that were made anew")
        incomplete = self._incomplete(first)
        depends = first.difference(again)
        if depends:
            found = self._told_apart(lost, first, ended)
        else:
            found = _Effects(frozenset(), frozenset(ended.changed(again_ended)))
        rows += verdicts.about_lost(lost.values(), found.counting, found.carried)
        rows += verdicts.about_incomplete(incomplete)
        if depends and all(row.level != "mistake" for row in rows):
            rows.append(verdicts.unexplained(depends))
        return rows

    def _look(self) -> Look:
        return look(self.roots())

    def _run(self) -> tuple[Trace, Look]:
        return self.trial.run(), self._look()

    def _alerts(self) -> list[str]:
        self.photo.put_back()
        with noted_alerts() as names:
            self.trial.one_step()
        return names

    def _incomplete(self, first: Trace) -> dict[str, str]:
        """The tracked names whose objects go on differently once restored, and how; without one, all together."""
        names = self.tracking.names()
        together = self._after_restore(names, first)
        if not together:
            return {}
        alone = {name: how for name in names if (how := self._after_restore([name], first))}
        return alone or {", ".join(names): together}

    def _after_restore(self, names: list[str], first: Trace) -> str:
        self.photo.put_back()
        self.restart.scramble(names)
        self.restart.apply(names)
        return first.difference(self.trial.run())

    def _told_apart(self, lost: dict[str, Owner], first: Trace, ended: Look) -> _Effects:
        """Which of the things that a restart does not bring back count for the training, one at a time."""
        inside = [name for name, owner in lost.items() if owner.tracked]
        alone = [name for name in lost if name not in inside]
        if inside:
            say("check · the same steps, to see whether what tracked objects keep beside their state counts")
            if self._effects(inside, first, ended).counting:
                alone += inside
        effects = []
        for name in alone:
            say(f"check · the same steps, to see whether {name} counts")
            effects.append(self._effects([name], first, ended))
        counting = frozenset(name for one in effects for name in one.counting)
        return _Effects(counting, frozenset(name for one in effects for name in one.carried))

    def _effects(self, names: list[str], first: Trace, ended: Look) -> _Effects:
        self.photo.put_back()
        self.trial.run()
        self.restart.apply()
        self.photo.put_back(leave=names)
        trace, later = self._run()
        counting = frozenset(names) if first.difference(trace) else frozenset()
        return _Effects(counting, frozenset(names) & ended.changed(later).keys())


@dataclass(frozen=True)
class _Effects:
    """Of what is lost: what the training depends on, and what ends differently if it begins differently."""

    counting: Collection[str]
    carried: Collection[str]
