"""The iterators that user code loops over: they skip what is done and know when control lies between two steps.

An iterator cannot tell a `break` from an exception: both just end it. So a loop that was not run to its end leaves the
training *unsettled* until control is seen to go on around it, and nothing is captured meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType
from typing import Any, TypeVar, cast

from ..errors import UsageError
from .around import asking, counts_around, frames_outward, lead_on
from .by_hand import Spot, loops_outward
from .chance import Chance
from .cursor import Cursor, Loop
from .data.batches import Loaders, Pass, look_of, origin_of, size_of
from .data.wrapped import inside
from .drawn_by import owner_of_loop, refused
from .ended import Ended
from .events import LoopEvents
from .forgotten import Watch
from .looked_through import bare, is_one_shot, looked_through
from .position import Kind, Position
from .witnesses import Witnesses

__all__ = ["Loops"]

T = TypeVar("T")

_END = object()


class Loops:
    """All loops of one run."""

    def __init__(self, events: LoopEvents, chance: Chance) -> None:
        self._events = events
        self._chance = chance
        self._loaders = Loaders()
        self.ended = Ended(chance)
        self.reset(None, None)

    def reset(self, target: Position | None, saved: Any) -> None:
        """Begin at this position, with what `state` gave there; loops that are still open belong to the past."""
        self.cursor = Cursor(target, self._events.arrived)
        self.settled = True
        self._entered: set[str] = set()
        self._begun = target is not None
        self._first_step = target is None or target.step == 0
        self._explicit = self.cursor.waits_for_no_loop and self.cursor.step > 0
        self._counted_draws = False
        self._stopped = False
        saved = saved or {"turns": [], "passes": {}, "loaders": {"loaders": [], "made anew": []}, "ends": {}}
        self.ended.reset(saved["ends"])
        self._turns: list[Any] = list(saved["turns"])
        self._saved: dict[str, Any] = dict(saved["passes"])
        self._loaders.bring_back(saved["loaders"])
        self._outside: frozenset[int] = frozenset()
        self._own_watch: Watch | None = None
        self._around_last: frozenset[tuple[int, int]] = frozenset()
        self._keeping: dict[Loop, Pass[Any]] = {}
        self._kept: dict[Loop, Any] = {}
        self._witnesses = Witnesses(saved)
        self._heads_before: dict[str, Any] = dict(saved.get("heads", {}))
        self._heads: dict[Loop, dict[str, Any]] = {}

    def state(self) -> Any:
        """What goes with the position: how the generators stood when each open epoch began, and the state of the
        loaders that keep one."""
        passes = {
            str(loop.frame.seed): self._kept[loop] if loop in self._kept else items.state()
            for loop, items in self._keeping.items()
            if loop in self.cursor
        }
        witnesses = self._witnesses.state(self.cursor, in_step=self._explicit)
        turns, loaders = self._turns[: self.cursor.depth], self._loaders.kept()
        heads = {str(loop.frame.seed): head for loop, head in self._heads.items() if loop in self.cursor}
        ends = self.ended.state()
        return {"turns": turns, "passes": passes, "loaders": loaders, **witnesses, "heads": heads, "ends": ends}

    @staticmethod
    def is_settled(state: Mapping[str, Any]) -> bool:
        """Whether nobody changes such a state any more; what data have said of themselves may still be in use."""
        return not state["passes"] and all(one["place"] is None for one in state["loaders"]["loaders"])

    @property
    def on_the_way_back(self) -> bool:
        """Whether the code has still to come to the restored position, so that what it does was done before."""
        return not self.cursor.arrived and not self._explicit

    @property
    def between_steps(self) -> bool:
        """Whether no loop is open, none was left early, and no batch waits to be trained on."""
        return self.settled and not self.cursor.inside and not self.cursor.in_hand

    @property
    def may_be_in_a_step(self) -> bool:
        """Whether a boundary can be expected soon: a loop runs, past the restored position."""
        return self.cursor.arrived and ((self.cursor.inside and self.settled) or self._explicit)

    @property
    def in_step(self) -> bool:
        """Whether user code is in a step, and not between two."""
        return self._explicit or self.cursor.in_step

    @property
    def current_step(self) -> int:
        """The number of the step that user code is in, or of the last one if it is in none; the first one is 1."""
        inside = self.in_step or self.cursor.in_hand or not self._begun
        return self.cursor.step + inside

    def counted(self, kind: Kind, n: int, name: str) -> Iterator[int]:
        """The turns of a loop over epochs or steps, from 0 or where the run stopped, up to `n`."""
        _check_count(n, kind)
        if kind == "steps" and self.cursor.draws_ahead:
            self._refuse_counted_draws("run.steps()")
            self.cursor.make_way_for_steps()
        if (not self.cursor.inside or name in self._entered) and not self._enter(n, name):
            return
        self._look_around(kind, sys._getframe())
        loop = self._open(kind, name)
        if loop is None:
            return
        loop.size = n
        try:
            self._lead_on(loop, sys._getframe())
            watch = self._events.watch()
            while loop.frame.index < loop.size:
                if kind == "epochs":
                    self._begin_turn(loop)
                    self._outside = frames_outward(sys._getframe(1))
                self._watch(loop, watch, sys._getframe())
                yield loop.frame.index
                self._turned(loop, last=loop.frame.index + 1 == loop.size)
        except BaseException:  # GeneratorExit is `break`; anything else came out of the data or a boundary
            self._left_early(loop)
            raise
        finally:
            self.cursor.close(loop)
            if kind == "epochs":
                self._outside = frozenset()

    def batches(self, loader: Iterable[T], *, ahead: bool | None = None) -> Iterable[T]:
        """The loader, of which each iteration is a pass from where the run stopped."""
        loader = bare(loader)
        named = Spot.of(sys._getframe(2))

        def begin() -> Iterator[T]:
            asks = sys._getframe(2)
            if owner := owner_of_loop(asks):
                return refused(owner)
            begun = named if is_one_shot(loader) else Spot.of(asks)
            return self._batches(loader, ahead, self.cursor.announce(), begun)

        return looked_through(loader, begin)

    def _batches(self, loader: Iterable[T], ahead: bool | None, asked: int, begun: Spot) -> Iterator[T]:
        if not self.cursor.inside:
            self._go_on()
            if not self.settled:
                self._events.entered_again("batches")
        within = inside(loader, self.cursor.epoch)
        loader = within.loader
        if self._loaders.meet(loader):
            self._events.meets(loader)
        self._look_around("batches", sys._getframe())
        if not self.cursor.inside:
            self._look_for_epochs(sys._getframe())
        look = look_of(loader) + ", drawn ahead" * bool(ahead)
        loop = self._open("batches", "batches", origin=origin_of(loader), look=look, asked=asked, ahead=ahead)
        if loop is None:
            if not self.cursor.inside and self.on_the_way_back:
                self.ended.pass_by("batches")
            within.end()
            return
        try:
            self._lead_on(loop, sys._getframe())
            within.begin()
            within.pass_over(loop.frame.index)
            items, loop.size = self._start(loader, loop), size_of(loader)
            if self._first_step:
                self._events.hands_out_first()
            watch = self._events.watch()
            self._look_at_head(loop, watch, loader, sys._getframe())
            item = next(items, _END)
            if items.witness.differs or items.witness.goes_on_differently:
                self._events.data_differ(order=items.witness.differs, sizes=items.witness.sizes)
            while item is not _END:
                self.cursor.hand_out(loop)
                if loop.frame.index == loop.size:
                    within.comes_last()
                self._watch(loop, watch, sys._getframe())
                yield cast("T", within.finished(item))
                self._refuse_draws_by_hand(loop, begun, sys._getframe())
                self._asked_for_more(loop, items)
                # The next batch is drawn before the boundary, on streams of its own: so the boundary after the last
                # batch is known to be that, and no checkpoint lies between two passes that run side by side.
                item = next(items, _END)
                self._turned(loop, last=item is _END)
        except BaseException:  # GeneratorExit is `break`; anything else came out of the data or a boundary
            self._left_early(loop)
            raise
        finally:
            self.cursor.close(loop)
            self._keeping.pop(loop, None)
            self._kept.pop(loop, None)
            self._witnesses.end(loop)
            self._heads.pop(loop, None)
            within.end()

    def go_back_if_left(self, name: str) -> None:
        """If the counted loop of this name was left before its end, the training goes back to a known boundary now."""
        if name in self._entered and not self.settled:
            self._events.entered_again(name)

    def end_with_this_turn(self) -> None:
        """The outermost open loop ends with the turn that it is in, however many were asked for."""
        for loop in self.cursor.open_loops[:1]:
            loop.size = loop.frame.index + 1

    def own_loop(self) -> None:
        """The user's own loop says when a step is complete; from now on only it does."""
        self._refuse_counted_draws("run.boundary()")
        self.cursor.arrive_here()
        self._explicit = True

    def step_done(self) -> None:
        """A step of the user's own loop is complete; it is the caller's caller that says so."""
        self._own_watch = self._own_watch or self._events.watch()
        if self._own_watch.is_due:
            self._own_watch.look(sys._getframe(2), says_boundaries=True)
        self.cursor.step += 1
        self.cursor.settle()
        self._events.at_boundary(savable=True, pauses=False, loop_ended=False)

    def _open(self, kind: Kind, name: str, **about: Any) -> Loop | None:
        if not self._begun:
            self._begun = True
            self._events.begins()
        return self.cursor.open(kind, name=name, **about)

    def _look_around(self, kind: Kind, frame: FrameType) -> None:
        """What the code has put around a loop whose turns are steps or epochs must be right after a restart, too."""
        if not self.cursor.in_step:
            counts_around(frame, f"run.{kind}(...)", outside=self._outside, young=True)

    def _look_for_epochs(self, frame: FrameType) -> None:
        """Whether passes lie in a loop that the run does not count."""
        around = loops_outward(asking(frame))
        if self._around_last & around and not self._explicit:
            self._events.epochs_are_not_counted()
        self._around_last = around

    def _lead_on(self, loop: Loop, frame: FrameType) -> None:
        done, kind = loop.frame.index, loop.frame.kind
        if done and (kind == "epochs" or self.cursor.makes_steps(loop)):
            lead_on(counts_around(frame, f"run.{kind}(...)", outside=self._outside, young=False), done)

    def _start(self, loader: Iterable[T], loop: Loop) -> Pass[T]:
        frame = loop.frame
        saved = self._saved.pop(str(frame.seed), None)
        witness = self._witnesses.begin(loop)
        items = self._loaders.start(loader, seed=frame.seed, first=frame.index, saved=saved, witness=witness)
        if items.keeps_state:
            self._keeping[loop] = items
            if loop.ahead:
                self._kept[loop] = items.state()
        return items

    def _asked_for_more(self, loop: Loop, items: Pass[Any]) -> None:
        """One more batch is asked for, and not drawn yet: the state of a loader that keeps one is taken now."""
        makes_steps = self.cursor.makes_steps(loop) and not self._explicit
        if makes_steps and self._first_step:
            self._first_step = False
            if loop.ahead is None:
                self._events.drawn_again()
        if makes_steps and self.cursor.epoch is not None and loop.drawn and loop.frame.index + 1 == loop.size:
            self._events.before_a_pause()  # after the last batch itself lies no checkpoint, see `_turned`
        if loop in self._keeping and (loop.ahead or (makes_steps and self._events.saves_next())):
            self._kept[loop] = items.state()

    def _watch(self, loop: Loop, watch: Watch, frame: FrameType) -> None:
        if watch.is_due and (loop.frame.kind == "epochs" or self.cursor.makes_steps(loop)):
            watch.look(asking(frame), entry=loop.frame.name if self.cursor.depth == 1 else "")

    def _look_at_head(self, loop: Loop, watch: Watch, loader: Iterable[Any], frame: FrameType) -> None:
        if self.cursor.epoch is not None and self.cursor.makes_steps(loop):
            before = self._heads_before.pop(str(loop.frame.seed), None)
            self._heads[loop] = watch.look_at_head(asking(frame), loader, before)

    def _refuse_draws_by_hand(self, loop: Loop, begun: Spot, frame: FrameType) -> None:
        if loop.drawn == 1 and self.cursor.makes_steps(loop) and not self._explicit:
            begun.refuse_loops_between(Spot.of(asking(frame)))

    def _begin_turn(self, loop: Loop) -> None:
        """What an epoch draws before its first batch is drawn again when a restart leads into the middle of it."""
        level = self.cursor.level(loop)
        if self.cursor.arrived:
            self._turns[level:] = [self._chance.now()]
        elif level < len(self._turns):
            self._chance.put_back(self._turns[level])

    def _refuse_counted_draws(self, where: str) -> None:
        if self._counted_draws and not self._explicit:
            raise UsageError(
                f"batches were drawn several times before the first {where}, and each time counted as a step: after "
                "a restart the wrong batch would come next",
                hint="say run.batches(loader, ahead=True) if the next batch is drawn before the step on the last one "
                "is done; if a step needs several batches, draw them inside `for step in run.steps(n)`",
            )

    def _enter(self, n: int, name: str) -> bool:
        """Whether the top-level loop of this name has turns left; brings an interrupted training back first."""
        again = name in self._entered
        self._entered.add(name)
        if not again:
            self._go_on()
        elif not self.cursor.is_over(name, n):
            self._events.entered_again(name)
            self._entered.add(name)
        if again and self.cursor.is_over(name, n):
            self._events.already_complete(name, n)
        self.settled = True
        if not self.cursor.is_over(name, n):
            return True
        if self.on_the_way_back:
            self.ended.pass_by(name)
        self.cursor.pass_by(name)
        return False

    def _go_on(self) -> None:
        """The code is past the loops that it has left: they are not entered again after a restart."""
        for name in self.ended.gone_on():
            self.cursor.leave(name)
            self.settled = True

    def _turned(self, loop: Loop, *, last: bool) -> None:
        """The body of the loop has run: a boundary, unless a step of another loop is still under way."""
        stepping = self.cursor.makes_steps(loop)
        if loop.frame.kind == "steps" and not stepping:
            self.cursor.count_inside(loop)
        elif loop not in self.cursor or not (stepping or loop.frame.kind == "epochs"):
            return
        elif loop.frame.kind != "batches":
            self.cursor.step += stepping
            if not stepping:
                self.settled = True
                self._events.epoch_ended()
            self._reach_boundary(loop, last=last)
        elif not self._explicit:
            self.cursor.refuse_steps_inside()
            done = self.cursor.count_draw(loop, last=last)
            self._counted_draws |= done > 0 and self.cursor.epoch is None
            if done or last:
                self._reach_boundary(loop, last=last)

    def _reach_boundary(self, loop: Loop, *, last: bool) -> None:
        self.cursor.turn(loop)
        if last:
            self.cursor.close(loop)
        # After its last batch a pass inside an epoch is no place to go on from: it would hand out nothing, and what
        # follows it, say `print(loss)`, would find no `loss`. The end of the epoch is.
        over = last and loop.frame.kind == "batches" and (self.cursor.inside or self.cursor.in_hand)
        stale = loop in self._keeping and loop in self.cursor and loop not in self._kept
        ended = not self.cursor.inside and not self.cursor.in_hand
        if ended:
            self.ended.ends(loop.frame.name)
        self._events.at_boundary(savable=not (over or stale), pauses=over, loop_ended=ended)
        if not loop.ahead:
            self._kept.pop(loop, None)

    def stop(self) -> None:
        """The loops are about to be left at the boundary where they are: no step is under way that would count."""
        self._stopped = True
        self.settled = False

    def _left_early(self, loop: Loop) -> None:
        """The body that was left counts as a step, so that step numbers do not depend on where it was left."""
        if self._stopped:
            return
        stepping = self.cursor.makes_steps(loop)
        if stepping or (loop in self.cursor and loop.frame.kind == "epochs"):
            self.settled = False
            if loop is self.cursor.open_loops[0] and loop.frame.kind != "batches":
                self.ended.left(loop.frame.name)
        if stepping and not self._explicit:
            self.cursor.step += 1


def _check_count(n: object, kind: str) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise UsageError(
            f"run.{kind}({n!r}): it must be a whole number, at least 0", hint=f"for example run.{kind}(10)"
        )
