"""Where the training is, as a checkpoint keeps it: the loops that are open, and how far each has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import DamagedCheckpoint

__all__ = ["Frame", "Kind", "Position"]

Kind = Literal["epochs", "steps", "batches"]
_KINDS = ("epochs", "steps", "batches")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One open loop.

    `index`: turns that are done, or batches handed out. `seed`: that of a pass over data. `look`: what it runs over, in
    words, to notice when it is something else. `finished`: for each loop that has ended inside the current turn, how
    many passes ran beside it then.
    """

    kind: Kind
    name: str
    index: int = 0
    seed: int = 0
    look: str = ""
    finished: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Position:
    """A boundary, as the loops see it.

    `frames`: the loops around the boundary, the last of which made it. `beside`: passes that are drawn from inside the
    last one, by slot; None is a free slot. `loops`: turns done by each named loop. `left`: those of them that `break`
    has ended. `passes`: passes opened so far. `logged`: records that were logged after the last boundary of the loops,
    and before this moment.
    """

    step: int = 0
    passes: int = 0
    logged: int = 0
    finished: tuple[int, ...] = ()
    loops: Mapping[str, int] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    beside: tuple[Frame | None, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object; the inverse of `from_json`."""
        return {
            "step": self.step,
            "passes": self.passes,
            "logged": self.logged,
            "finished": list(self.finished),
            "loops": dict(self.loops),
            "left": list(self.left),
            "frames": [_to_json(frame) for frame in self.frames],
            "beside": [frame and _to_json(frame) for frame in self.beside],
        }

    @classmethod
    def from_json(cls, data: Any) -> Position:
        """Read what `to_json` wrote; anything else is `DamagedCheckpoint`."""
        try:
            position = cls(
                step=_count(data["step"]),
                passes=_count(data["passes"]),
                logged=_count(data["logged"]),
                finished=tuple(map(_count, data["finished"])),
                loops={_text(name): _count(turns) for name, turns in data["loops"].items()},
                left=tuple(map(_text, data.get("left", ()))),
                frames=tuple(map(_from_json, data["frames"])),
                beside=tuple(None if frame is None else _from_json(frame) for frame in data["beside"]),
            )
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            what = f"the checkpoint's place in the data cannot be read: {error!r}"
            raise DamagedCheckpoint(what, hint="use an older checkpoint") from error
        return position


def _to_json(frame: Frame) -> dict[str, Any]:
    return {**vars(frame), "finished": list(frame.finished)}


def _from_json(data: Any) -> Frame:
    frame = Frame(**{**data, "finished": tuple(map(_count, data["finished"]))})
    _count(frame.index), _count(frame.seed), _text(frame.name), _text(frame.look)
    if frame.kind not in _KINDS:
        raise ValueError("a loop of an unknown kind")
    return frame


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.40} is not a count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is not a text")
    return value
