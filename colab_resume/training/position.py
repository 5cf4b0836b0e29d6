"""Where the training is: the loops that are open, how far each has come, and the way back there.

`Position` is what a checkpoint keeps. `Cursor` follows the running loops; after a restore it first leads the same
code back to the kept position: finished loops and passes are skipped, open ones re-entered where they were. The
moment the innermost recorded loop is re-entered is the *arrival*: only then is everything before the boundary done,
so only then may state be put back for good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..errors import DamagedCheckpoint, StateMismatch

__all__ = ["Cursor", "Frame", "Kind", "Loop", "Position"]

Kind = Literal["epochs", "steps", "batches"]
_KINDS = ("epochs", "steps", "batches")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One open loop: how many turns it has handed out, its seed, and how many passes its current turn has finished."""

    kind: Kind
    name: str
    index: int = 0
    seed: int = 0
    finished: int = 0


@dataclass(frozen=True, kw_only=True)
class Position:
    """A boundary, as the loops see it. `loops`: turns done by each named loop; `passes`: passes over data opened."""

    step: int = 0
    passes: int = 0
    finished: int = 0
    loops: Mapping[str, int] = field(default_factory=dict)
    frames: tuple[Frame, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object; the inverse of `from_json`."""
        return {
            "step": self.step,
            "passes": self.passes,
            "finished": self.finished,
            "loops": dict(self.loops),
            "frames": [vars(frame) for frame in self.frames],
        }

    @classmethod
    def from_json(cls, data: Any) -> Position:
        """Read what `to_json` wrote; anything else is `DamagedCheckpoint`."""
        try:
            frames = tuple(Frame(**frame) for frame in data["frames"])
            counts = {key: data[key] for key in ("step", "passes", "finished")}
            loops = dict(data["loops"])
        except (TypeError, KeyError, ValueError) as error:
            raise _damaged(repr(error)) from error
        numbers = [*counts.values(), *loops.values(), *(n for f in frames for n in (f.index, f.seed, f.finished))]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise _damaged("a counter is not a whole number")
        if not all(frame.kind in _KINDS and isinstance(frame.name, str) for frame in frames):
            raise _damaged("a loop of an unknown kind")
        return cls(loops=loops, frames=frames, **counts)


class Loop:
    """One open loop of the running code; what the cursor gives out and knows again."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame


class Cursor:
    """Follows the open loops. `arrive` is called once, when the loops are back where `target` was captured."""

    def __init__(self, target: Position | None, arrive: Callable[[], None]) -> None:
        self._target = target
        self._arrive = arrive
        start = target or Position()
        self.step = start.step
        self._passes = start.passes
        self._loops = dict(start.loops)
        self._finished = 0
        self._stack: list[Loop] = []

    @property
    def arrived(self) -> bool:
        """Whether the training is at or past the restored position."""
        return self._target is None

    @property
    def inside(self) -> bool:
        """Whether any loop is open."""
        return bool(self._stack)

    def __contains__(self, loop: Loop) -> bool:
        return loop in self._stack

    @property
    def in_step(self) -> bool:
        """Whether a loop over batches or steps is open."""
        return any(loop.frame.kind != "epochs" for loop in self._stack)

    @property
    def epoch(self) -> int | None:
        """The epoch in progress, counted from 0, if there is a loop over epochs."""
        return next((loop.frame.index for loop in self._stack if loop.frame.kind == "epochs"), None)

    @property
    def waits_for_no_loop(self) -> bool:
        """Whether the restored position lies outside of all loops, as in a training with a loop of its own."""
        target = self._target
        return target is not None and not (target.frames or target.loops or target.finished)

    def turns(self, name: str) -> int:
        """How many turns the top-level loop of this name has completed."""
        return self._loops.get(name, 0)

    def position(self) -> Position:
        """The position now; true only at a boundary."""
        return Position(
            step=self.step,
            passes=self._passes,
            finished=self._finished,
            loops=dict(self._loops),
            frames=tuple(loop.frame for loop in self._stack),
        )

    def open(self, kind: Kind, *, name: str, origin: int = 0) -> Loop | None:
        """Enter a loop; None if the restored position says that this loop is over.

        Loops over epochs or steps at the top level are known by their names. All others are known by their place:
        the n-th one inside the current turn of the loop around them. A pass gets a seed made from `origin`, the seed
        of the generator it would draw from, and from its number in the whole run.
        """
        named = not self._stack and kind != "batches"
        if self._target is not None:
            level, frames = len(self._stack), self._target.frames
            due = frames[level - 1].finished if level else self._target.finished
            if not named and self._finished_here() < due:
                self._count_finished()
                if self._finished_here() == due and level == len(frames):
                    self._come_home()
                return None
            if level < len(frames):
                return self._follow(frames[level], kind, name)
            self._come_home()
        seed = 0
        if kind == "batches":
            self._passes += 1
            seed = _pass_seed(origin, self._passes)
        return self._push(Frame(kind=kind, name=name, index=self.turns(name) if named else 0, seed=seed))

    def makes_steps(self, loop: Loop) -> bool:
        """Whether the turns of this loop are the training's steps: it is the outermost one that is not over epochs.

        A pass inside another one (`zip(run.batches(a), run.batches(b))`, or an evaluation in mid-step) draws its next
        batch while a step is under way, so its turns are no boundaries.
        """
        if loop not in self._stack:
            return False
        return all(outer.frame.kind == "epochs" for outer in self._stack[: self._stack.index(loop)])

    def hand_out(self, loop: Loop) -> None:
        """One more batch of this pass is handed to the user's code."""
        loop.frame = replace(loop.frame, index=loop.frame.index + 1)

    def turn(self, loop: Loop) -> None:
        """The body of this loop has run once more."""
        level = self._stack.index(loop)
        if loop.frame.kind == "epochs":
            del self._stack[level + 1 :]
        if loop.frame.kind != "batches":
            loop.frame = replace(loop.frame, index=loop.frame.index + 1)
            if level == 0:
                self._loops[loop.frame.name] = loop.frame.index
        self.settle(level)

    def settle(self, level: int = 0) -> None:
        """A step is complete: passes beside the stepping one stay open; those that ended in it are not met again."""
        for loop in self._stack[level:]:
            loop.frame = replace(loop.frame, finished=0)

    def arrive_here(self) -> None:
        """The code says that a step is complete; so it must be past the restored position."""
        if self.waits_for_no_loop:
            self._target = None
        if self._target is not None:
            raise StateMismatch(
                f"the checkpoint was made inside run.{self._target.frames[-1].kind}()"
                if self._target.frames
                else "the checkpoint was made after loops that the code has not entered again",
                hint="run the code that made this checkpoint, or start a run with another name",
            )

    def close(self, loop: Loop) -> None:
        """This loop has come to its end, or was left by `break`; closing it again does nothing."""
        if loop not in self._stack:
            return
        del self._stack[self._stack.index(loop) :]
        if self._stack or loop.frame.kind == "batches":
            self._count_finished()

    def _push(self, frame: Frame) -> Loop:
        self._stack.append(Loop(frame))
        return self._stack[-1]

    def _follow(self, want: Frame, kind: Kind, name: str) -> Loop:
        if (want.kind, want.name) != (kind, name):
            raise StateMismatch(
                f"the checkpoint was made inside run.{want.kind}() named {want.name!r}, "
                f"but at that place the code now enters run.{kind}() named {name!r}",
                hint="run the code that made this checkpoint, or start a run with another name",
            )
        loop = self._push(replace(want, finished=0))
        if self._target and len(self._stack) == len(self._target.frames) and want.finished == 0:
            self._come_home()
        return loop

    def _come_home(self) -> None:
        self._target = None
        self._arrive()

    def _finished_here(self) -> int:
        return self._stack[-1].frame.finished if self._stack else self._finished

    def _count_finished(self) -> None:
        if self._stack:
            top = self._stack[-1]
            top.frame = replace(top.frame, finished=top.frame.finished + 1)
        else:
            self._finished += 1


def _pass_seed(origin: int, number: int) -> int:
    """The seed of the `number`-th pass of a run whose generator began with `origin` (blake2b, 63 bits)."""
    text = f"pass {origin} {number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def _damaged(why: str) -> DamagedCheckpoint:
    return DamagedCheckpoint(f"the checkpoint's data position cannot be read: {why}", hint="use an older checkpoint")
