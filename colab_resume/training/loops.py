"""The iterators that user code loops over: they skip what is done and know when control lies between two steps.

An iterator cannot tell a `break` from an exception: both just end it. So a loop that was not run to its end leaves the
training *unsettled* until control is seen to go on around it, and nothing is captured meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar, cast

from ..errors import UsageError
from .batches import Loaders, look_of, origin_of
from .cursor import Cursor, Loop
from .position import Kind, Position

__all__ = ["LoopEvents", "Loops"]

T = TypeVar("T")

_END = object()


class LoopEvents(Protocol):
    """What the loops tell, always from the training's own thread."""

    def arrived(self) -> None:
        """The loops are back at the restored position: the state may be put back for good."""
        ...

    def begins(self) -> None:
        """A training that restored nothing enters its first loop."""
        ...

    def at_boundary(self, *, savable: bool, loop_ended: bool) -> None:
        """A step or an epoch is complete; if `savable`, the state may be captured; if `loop_ended`, it should."""
        ...

    def entered_again(self, name: str) -> None:
        """A loop that was interrupted is entered anew: the training must go back to a known boundary."""
        ...

    def already_complete(self, name: str, turns: int) -> None:
        """A loop that has come to its end in this process is entered once more."""
        ...


class Loops:
    """All loops of one run."""

    def __init__(self, events: LoopEvents) -> None:
        self._events = events
        self._loaders = Loaders()
        self.reset(None)

    def reset(self, target: Position | None) -> None:
        """Begin at this position; loops that are still open belong to the past."""
        self.cursor = Cursor(target, self._events.arrived)
        self.settled = True
        self._entered: set[str] = set()
        self._begun = target is not None
        self._explicit = self.cursor.waits_for_no_loop and self.cursor.step > 0

    @property
    def on_the_way_back(self) -> bool:
        """Whether the code has still to come to the restored position, so that what it does was done before."""
        return not self.cursor.arrived and not self._explicit

    @property
    def between_steps(self) -> bool:
        """Whether no loop is open and none was left early."""
        return self.settled and not self.cursor.inside

    @property
    def current_step(self) -> int:
        """The number of the step that user code is in, or of the last one if it is in none; the first one is 1."""
        return self.cursor.step + (self._explicit or self.cursor.in_step or not self._begun)

    def counted(self, kind: Kind, n: int, name: str) -> Iterator[int]:
        """The turns of a loop over epochs or steps, from 0 or where the run stopped, up to `n`."""
        _check_count(n, kind)
        if (not self.cursor.inside or name in self._entered) and not self._enter(n, name):
            return
        loop = self._open(kind, name)
        if loop is None:
            return
        try:
            while loop.frame.index < n:
                yield loop.frame.index
                self._turned(loop, last=loop.frame.index + 1 == n)
        except BaseException:  # GeneratorExit is `break`; anything else came out of the data or a boundary
            self._left_early(loop)
            raise
        finally:
            self.cursor.close(loop)

    def batches(self, loader: Iterable[T]) -> Iterator[T]:
        """The batches of one pass, from where the run stopped."""
        return self._batches(loader, self.cursor.announce())

    def _batches(self, loader: Iterable[T], asked: int) -> Iterator[T]:
        if not self.cursor.inside and not self.settled:
            self._events.entered_again("batches")
        loop = self._open("batches", "batches", origin=origin_of(loader), look=look_of(loader), asked=asked)
        if loop is None:
            return
        try:
            items = self._loaders.start(loader, seed=loop.frame.seed, first=loop.frame.index)
            item = next(items, _END)
            while item is not _END:
                self.cursor.hand_out(loop)
                yield cast("T", item)
                # The next batch is drawn before the boundary, on streams of its own: so the boundary after the last
                # batch is known to be that, and no checkpoint lies between two passes that run side by side.
                item = next(items, _END)
                self._turned(loop, last=item is _END)
        except BaseException:  # GeneratorExit is `break`; anything else came out of the data or a boundary
            self._left_early(loop)
            raise
        finally:
            self.cursor.close(loop)

    def own_loop(self) -> None:
        """The user's own loop says when a step is complete; from now on only it does."""
        self.cursor.arrive_here()
        self.cursor.refuse_drawing_ahead()
        self._explicit = True

    def step_done(self) -> None:
        """A step of the user's own loop is complete."""
        self.cursor.step += 1
        self.cursor.settle()
        self._events.at_boundary(savable=True, loop_ended=False)

    def _open(self, kind: Kind, name: str, *, origin: int = 0, look: str = "", asked: int = 0) -> Loop | None:
        if not self._begun:
            self._begun = True
            self._events.begins()
        return self.cursor.open(kind, name=name, origin=origin, look=look, asked=asked)

    def _enter(self, n: int, name: str) -> bool:
        """Whether the top-level loop of this name has turns left; brings an interrupted training back first."""
        again = name in self._entered
        self._entered.add(name)
        if again and self.cursor.turns(name) < n:
            self._events.entered_again(name)
            self._entered.add(name)
        elif again:
            self._events.already_complete(name, n)
        self.settled = True
        if self.cursor.turns(name) < n:
            return True
        self.cursor.pass_by(name)
        return False

    def _turned(self, loop: Loop, *, last: bool) -> None:
        """The body of the loop has run: a boundary, unless a step of another loop is still under way."""
        stepping = self.cursor.makes_steps(loop)
        if loop not in self.cursor or (stepping and self._explicit and loop.frame.kind == "batches"):
            return
        if stepping:
            self.cursor.step += 1
        elif loop.frame.kind != "epochs":
            return
        else:
            self.settled = True
        self.cursor.turn(loop)
        if last:
            self.cursor.close(loop)
        # After its last batch a pass inside an epoch is no place to go on from: it would hand out nothing, and what
        # follows it, say `print(loss)`, would find no `loss`. The end of the epoch is.
        savable = not (last and stepping and self.cursor.inside)
        self._events.at_boundary(savable=savable, loop_ended=not self.cursor.inside)

    def _left_early(self, loop: Loop) -> None:
        """The body that was left counts as a step, so that step numbers do not depend on where it was left."""
        stepping = self.cursor.makes_steps(loop)
        if stepping or (loop in self.cursor and loop.frame.kind == "epochs"):
            self.settled = False
        if stepping and not self._explicit:
            self.cursor.step += 1


def _check_count(n: object, kind: str) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise UsageError(
            f"run.{kind}({n!r}): it must be a whole number, at least 0", hint=f"for example run.{kind}(10)"
        )
