"""Follows the running loops; after a restart it first leads the same code back to the recorded position.

Finished loops and passes are skipped, open ones re-entered where they were. The moment the innermost recorded loop is
re-entered, or the last finished one inside it skipped, is the *arrival*: everything before the boundary is done, so
state may be put back for good. Code that takes another way is refused, since it would be another training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from ..errors import StateMismatch, UsageError
from .position import Frame, Kind, Position

__all__ = ["Cursor", "Loop"]


class Loop:
    """One open loop of the running code; what the cursor gives out and knows again.

    `ahead`: whether the code draws each batch before it has trained on the one before; None if nobody said. `drawn`:
    how many batches were handed out in this process. `size`: how many turns it has in all, where that is known.
    """

    def __init__(self, frame: Frame, *, ahead: bool | None = None) -> None:
        self.frame = frame
        self.ahead = ahead
        self.drawn = 0
        self.size: int | None = None

    @property
    def way_back(self) -> Frame:
        """The frame to go on from: a batch that waits in the code's hands must be drawn again."""
        in_hand = bool(self.ahead and self.drawn)
        return replace(self.frame, index=self.frame.index - 1) if in_hand else self.frame

    def hand_out(self) -> None:
        """One more batch of this pass is handed to the user's code."""
        self.frame = replace(self.frame, index=self.frame.index + 1)
        self.drawn += 1


class Cursor:
    """`arrive` is called once, when the loops are back where `target` was captured; never if there is no target."""

    def __init__(self, target: Position | None, arrive: Callable[[], None]) -> None:
        start = target or Position()
        self.step = start.step
        self._target = target
        self._arrive = arrive
        self._passes = start.passes
        self._logged = start.logged
        self._known = 0
        self._passed: set[str] = set()
        self._loops = dict(start.loops)
        self._left = set(start.left)
        self._finished: tuple[int, ...] = ()
        self._stack: list[Loop] = []
        self._beside: list[Loop | None] = []
        self._dormant = {slot: frame for slot, frame in enumerate(start.beside) if frame is not None}
        self._tick = 0
        self._skipped_beside = (0, 0)
        self._in_hand = False

    def __contains__(self, loop: Loop) -> bool:
        return loop in self._stack or loop in self._beside

    @property
    def open_loops(self) -> tuple[Loop, ...]:
        """Those that are inside each other, the outermost first."""
        return tuple(self._stack)

    @property
    def arrived(self) -> bool:
        """Whether the training is at or past the restored position."""
        return self._target is None

    @property
    def waits_for_no_loop(self) -> bool:
        """Whether the restored position lies outside of all loops, as in a training with a loop of its own."""
        target = self._target
        return target is not None and not (target.frames or target.loops or target.finished)

    @property
    def inside(self) -> bool:
        """Whether any loop is open."""
        return bool(self._stack)

    @property
    def in_step(self) -> bool:
        """Whether a loop over batches or steps is open."""
        return self._owner is not None

    @property
    def epoch(self) -> int | None:
        """The epoch in progress, counted from 0, if there is a loop over epochs."""
        return self._stack[0].frame.index if self._stack and self._stack[0].frame.kind == "epochs" else None

    @property
    def _owner(self) -> Loop | None:
        """The loop whose turns are the training's steps: the outermost one that is not over epochs."""
        return self._stack[-1] if self._stack and self._stack[-1].frame.kind != "epochs" else None

    @property
    def in_hand(self) -> bool:
        """Whether a pass has ended while its last batch was still to be trained on."""
        return self._in_hand

    @property
    def draws_ahead(self) -> bool:
        """Whether all that is open is one pass whose batches are drawn ahead."""
        return [loop.ahead for loop in self._stack] == [True]

    @property
    def depth(self) -> int:
        """How many loops are open inside each other."""
        return len(self._stack)

    def level(self, loop: Loop) -> int:
        """How many loops there are around this one."""
        return self._stack.index(loop)

    def is_over(self, name: str, turns: int) -> bool:
        """Whether the top-level loop of this name has done so many turns, or was left for good."""
        return name in self._left or self.turns(name) >= turns

    def leave(self, name: str) -> None:
        """The top-level loop of this name is over, however many turns it has done."""
        self._loops.setdefault(name, 0)
        self._left.add(name)

    def turns(self, name: str) -> int:
        """How many turns the top-level loop of this name has completed."""
        return self._loops.get(name, 0)

    def position(self) -> Position:
        """The position now; true only at a boundary."""
        live = {slot: loop.way_back for slot, loop in enumerate(self._beside) if loop is not None}
        beside = {**self._dormant, **live}
        return Position(
            step=self.step,
            passes=self._passes,
            logged=self._logged,
            finished=self._finished,
            loops=dict(self._loops),
            left=tuple(sorted(self._left)),
            frames=tuple(loop.way_back for loop in self._stack),
            beside=tuple(beside.get(slot) for slot in range(max(beside, default=-1) + 1)),
        )

    def pass_by(self, name: str) -> None:
        """The top-level loop of this name has no turns left and is not entered."""
        self._passed.add(name)
        if self._target is not None and not self._target.frames:
            self._come_home_after_loops(self._target)

    def is_known(self) -> bool:
        """Whether the record that is logged now was logged before the checkpoint; else it counts as logged now."""
        if self._known:
            self._known -= 1
            return True
        self._logged += 1
        return False

    def settle(self) -> None:
        """A step or a turn is complete: what is logged from now on was logged after it."""
        self._logged = self._known = 0

    def announce(self) -> int:
        """A pass is asked for; the number says when, since it may be opened later."""
        self._tick += 1
        return self._tick

    def open(
        self,
        kind: Kind,
        *,
        name: str,
        origin: int = 0,
        look: str = "",
        asked: int = 0,
        ahead: bool | None = None,
    ) -> Loop | None:
        """Enter a loop; None if the restored position says that this loop is over.

        Loops over epochs or steps at the top level are known by their names. All others are known by their place:
        the n-th one inside the current turn of the loop around them. A pass gets a seed made from `origin`, the seed
        of the generator it would draw from, and from its number in the whole run.
        """
        if self._owner is not None or (ahead and self._steps_are_due()):
            return self._open_beside(kind, name, origin, look, ahead)
        named = not self._stack and kind != "batches"
        if self._target is not None:
            level, frames = len(self._stack), self._target.frames
            due = frames[level - 1].finished if level else self._target.finished
            if not named and len(self._finished_here()) < len(due):
                self._skip(due, home=level == len(frames))
                return None
            if level < len(frames):
                return self._follow(frames[level], kind, name, look, ahead)
        if self._was_beside_a_skipped_one(asked):
            return None
        if self._target is not None:
            self._come_home()
        loop = Loop(self._fresh(kind, name, origin, look, index=self.turns(name) if named else 0), ahead=ahead)
        self._stack.append(loop)
        return loop

    def make_way_for_steps(self) -> None:
        """A loop over steps begins after the first batch was drawn for it: the loop makes the steps, not the pass."""
        self._beside.insert(0, self._stack.pop())

    def count_draw(self, loop: Loop, *, last: bool) -> int:
        """How many steps have been done when this pass, which makes the steps, is asked for one more batch."""
        waited, self._in_hand = self._in_hand, bool(loop.ahead and last)
        done = waited + (loop.drawn > 1 or not loop.ahead)
        self.step += done
        return done

    def put_down(self) -> None:
        """Whatever was in the code's hands has been trained on."""
        self.step += self._in_hand
        self._in_hand = False

    def makes_steps(self, loop: Loop) -> bool:
        """Whether the turns of this loop are the training's steps.

        A pass drawn from inside another loop (`zip(run.batches(a), run.batches(b))`, or an evaluation in mid-step)
        hands out its next batch while a step is under way, so its turns are no boundaries.
        """
        return loop is self._owner

    def hand_out(self, loop: Loop) -> None:
        """One more batch of this pass is handed to the user's code."""
        self._refuse_outliving(loop, "a pass over data")
        loop.hand_out()

    def count_inside(self, loop: Loop) -> None:
        """One more turn of a loop over steps that runs inside a step of another loop."""
        self._refuse_outliving(loop, f"loop {loop.frame.name!r}")
        loop.frame = replace(loop.frame, index=loop.frame.index + 1)

    def turn(self, loop: Loop) -> None:
        """The body of this loop, which makes steps or counts epochs, has run once more."""
        if self._target is not None:
            raise self._lost_the_way(", but the code has gone on without entering it")
        del self._stack[self._stack.index(loop) + 1 :]
        if loop.frame.kind == "epochs":
            self.put_down()
            self._clear_beside()
        if loop.frame.kind != "batches":
            loop.frame = replace(loop.frame, index=loop.frame.index + 1)
            if loop is self._stack[0]:
                self._loops[loop.frame.name] = loop.frame.index
        loop.frame = replace(loop.frame, finished=())
        self.settle()

    def close(self, loop: Loop) -> None:
        """This loop has come to its end, or was left by `break`; closing it again does nothing."""
        if loop in self._beside:
            self._beside[self._beside.index(loop)] = None
        elif loop in self._stack:
            beside = sum(other is not None for other in self._beside)
            self._clear_beside()
            del self._stack[self._stack.index(loop) :]
            if self._stack or loop.frame.kind == "batches":
                self._note_finished(beside)

    def refuse_steps_inside(self) -> None:
        """The pass that makes the steps goes on: no loop over steps may be in the middle of a turn then."""
        if any(loop is not None and loop.frame.kind != "batches" for loop in self._beside):
            raise UsageError(
                "a pass that was begun before run.steps() is drawn from inside of it: after a restart nobody would "
                "know whether its first batch was trained on",
                hint="say run.batches(loader, ahead=True) if it was drawn ahead, or begin the pass inside the loop",
            )

    def arrive_here(self) -> None:
        """The code says that a step is complete; so it must be past the restored position."""
        if self.waits_for_no_loop:
            self._target = None
            self._known = 0
        if self._target is not None:
            raise self._lost_the_way(", but the code has done a step without entering it")

    def _steps_are_due(self) -> bool:
        """Whether the way back leads into a loop over steps next, whose first batch is drawn before it begins."""
        if self._target is None or self._stack or not self._target.frames:
            return False
        return self._target.frames[0].kind == "steps" and len(self._finished) >= len(self._target.finished)

    def _open_beside(self, kind: Kind, name: str, origin: int, look: str, ahead: bool | None) -> Loop:
        slot = next((slot for slot, other in enumerate(self._beside) if other is None), len(self._beside))
        want = self._dormant.pop(slot, None)
        if want is not None and (want.kind, want.name, want.look) != (kind, name, look):
            raise self._another_way(want, kind, name, look)
        loop = Loop(want or self._fresh(kind, name, origin, look, index=0), ahead=ahead)
        self._beside[slot : slot + 1] = [loop]
        return loop

    def _fresh(self, kind: Kind, name: str, origin: int, look: str, *, index: int) -> Frame:
        if kind != "batches":
            return Frame(kind=kind, name=name, index=index)
        self._passes += 1
        return Frame(kind=kind, name=name, look=look, seed=_pass_seed(origin, self._passes))

    def _follow(self, want: Frame, kind: Kind, name: str, look: str, ahead: bool | None) -> Loop:
        if (want.kind, want.name, want.look) != (kind, name, look):
            raise self._another_way(want, kind, name, look)
        loop = Loop(replace(want, finished=()), ahead=ahead)
        self._stack.append(loop)
        if self._target and len(self._stack) == len(self._target.frames) and not want.finished:
            self._come_home()
        return loop

    def _skip(self, due: tuple[int, ...], *, home: bool) -> None:
        beside = due[len(self._finished_here())]
        self._skipped_beside = (beside, self.announce())
        self._note_finished(beside)
        if not home or len(self._finished_here()) < len(due) or self._target is None:
            return
        if self._stack:
            self._come_home()
        else:
            self._come_home_after_loops(self._target)

    def _was_beside_a_skipped_one(self, asked: int) -> bool:
        """`zip(..., strict=True)` looks whether the second pass ends with the first, which was skipped just now."""
        left, skipped = self._skipped_beside
        self._skipped_beside = (left - 1, skipped) if left and asked < skipped else (0, 0)
        return left > 0 and asked < skipped

    def _come_home_after_loops(self, target: Position) -> None:
        if len(self._finished) == len(target.finished) and self._passed >= target.loops.keys():
            self._come_home()

    def _come_home(self) -> None:
        # Before the first step nothing lies between the boundary and the logging: that code has just run again.
        if self._target is not None and self._target.step and not self._target.frames:
            self._known = self._target.logged
        self._target = None
        self._arrive()

    def _refuse_outliving(self, loop: Loop, what: str) -> None:
        if loop not in self:
            raise UsageError(
                f"{what} goes on after the loop that it was drawn in has ended: after a restart nobody would know "
                "where it was",
                hint="draw from it inside one loop `for step in run.steps(...)`, or open it anew in each epoch",
            )

    def _clear_beside(self) -> None:
        self._beside.clear()
        self._dormant.clear()

    def _finished_here(self) -> tuple[int, ...]:
        return self._stack[-1].frame.finished if self._stack else self._finished

    def _note_finished(self, beside: int) -> None:
        if self._stack:
            top = self._stack[-1]
            top.frame = replace(top.frame, finished=(*top.frame.finished, beside))
        else:
            self._finished = (*self._finished, beside)

    def _another_way(self, want: Frame, kind: Kind, name: str, look: str) -> StateMismatch:
        over, now = (f" over {text}" if text else "" for text in (want.look, look))
        return _mismatch(
            f"the checkpoint was made inside run.{want.kind}() named {want.name!r}{over}, "
            f"but at that place the code now enters run.{kind}() named {name!r}{now}"
        )

    def _lost_the_way(self, instead: str) -> StateMismatch:
        frames = self._target.frames[len(self._stack) :] if self._target else ()
        inside = f"inside run.{frames[0].kind}() named {frames[0].name!r}" if frames else "after loops that are over"
        return _mismatch(f"the checkpoint was made {inside}{instead}")


def _mismatch(what: str) -> StateMismatch:
    return StateMismatch(what, hint="run the code that made this checkpoint, or start a run with another name")


def _pass_seed(origin: int, number: int) -> int:
    """The seed of the `number`-th pass of a run whose generator began with `origin` (blake2b, 63 bits)."""
    text = f"pass {origin} {number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
