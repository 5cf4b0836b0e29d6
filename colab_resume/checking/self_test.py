"""`check`: a few real steps, made again and again from different beginnings and compared bit by bit.

Whatever happens, it leaves the training where it was: the same objects, with the same bits. What a step prints, or
writes to files and services, is not taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from ..display.text import say
from ..errors import UsageError
from ..training.tracking import VALUES, Tracking
from .bindings import Cells
from .examination import Examination
from .loading import draw
from .photo import Photo, look
from .reach import Owner, Root
from .report import Report, Row, counted, joined
from .restart import Restart, tensors_in
from .trial import Trial
from .verdicts import not_put_back

__all__ = ["check"]


def check(
    tracking: Tracking,
    step: Callable[..., Any],
    loader: Iterable[Any] | None = None,
    *,
    steps: int = 3,
    log: Callable[[], list[Any]] = list,
) -> Report:
    """Run `step(batch)`, or `step()` without a loader, and say what a restart would not bring back.

    `log` gives what the step has logged since it was last called. Raises `UsageError` for what cannot be checked, and
    whatever the step raises.
    """
    asked = _Asked(tracking, step, loader, steps, log)
    held = [tensor for _, _, state in tracking.states() for tensor in tensors_in(state)]

    def roots() -> Iterator[Root]:
        yield from _tracked(tracking)
        yield from _of_step(step)
        yield from (Root("", hidden) for hidden in (tracking, loader, held))

    before = look(roots())
    photo = Photo(roots())
    _refuse_one_way(photo.one_way)
    try:
        rows, used = _examine(asked, photo, roots)
    finally:
        photo.put_back()
    rows += not_put_back(before.changed(look(roots())))
    return Report(tuple(rows), used, tuple(name for name in tracking.names() if name != VALUES))


@dataclass(frozen=True, eq=False)
class _Asked:
    """What the user has asked for."""

    tracking: Tracking
    step: Callable[..., Any]
    loader: Iterable[Any] | None
    steps: int
    log: Callable[[], list[Any]]

    def __post_init__(self) -> None:
        _refuse(self.tracking, self.step, self.steps)


def _examine(asked: _Asked, photo: Photo, roots: Callable[[], Iterator[Root]]) -> tuple[list[Row], int]:
    batches, rows = _batches(asked, photo)
    trial = Trial(asked.tracking, asked.step, batches, asked.log)
    with Restart(asked.tracking, things(asked.tracking)) as restart:
        examination = Examination(asked.tracking, trial, photo, restart, roots)
        return rows + examination.rows(), len(batches)


def _batches(asked: _Asked, photo: Photo) -> tuple[list[tuple[Any, ...]], list[Row]]:
    """The arguments of each step, and what is wrong with where they come from."""
    if asked.loader is None:
        return [()] * asked.steps, []
    name = _name_of(asked.loader, asked.step)
    drawn = draw(asked.loader, asked.steps, name, photo.put_back)
    if len(drawn.batches) < asked.steps:
        say(f"check · {name} gives {counted(len(drawn.batches), 'batch', 'batches')}, so there are as many steps")
    return [(batch,) for batch in drawn.batches], drawn.rows


def things(tracking: Tracking) -> dict[str, Any]:
    """The tracked objects by name."""
    return dict(zip(tracking.names(), tracking.things(), strict=True))


def _tracked(tracking: Tracking) -> Iterator[Root]:
    for name, thing in things(tracking).items():
        yield Root(name, thing, Owner(name, thing, name))


def _of_step(step: Callable[..., Any]) -> Iterator[Root]:
    if isinstance(step, MethodType):
        yield Root("self", step.__self__, Owner("self", step.__self__))
        yield from _of_step(step.__func__)
    else:
        name = step.__name__ if isinstance(step, FunctionType) else "step"
        yield Root(name, step, Owner(name, step))


def _refuse(tracking: Tracking, step: Any, steps: Any) -> None:
    if not callable(step):
        raise UsageError(
            f"{step!r:.60} cannot be called",
            hint="give the function that makes one step: run.check(train_step, loader)",
        )
    if type(steps) is not int or steps < 1:
        raise UsageError(f"steps={steps!r} is no number of steps", hint="two or three show what there is to see")
    if tracking.names() == [VALUES] and not vars(tracking.values):
        raise UsageError("nothing is tracked yet", hint="call run.track(...) before run.check(...)")


def _refuse_one_way(names: list[str]) -> None:
    if names:
        raise UsageError(
            f"the step uses {joined(names)}, an iterator: neither a check nor a restart can set it back",
            hint="let the step take its batch as an argument, run.check(step, loader), and count with a number",
        )


def _name_of(loader: Any, step: Any) -> str:
    """What the user calls the loader, as far as the step's surroundings tell."""
    function = getattr(step, "__func__", step)
    if isinstance(function, FunctionType):
        cells = Cells(function)
        known = {name: cells.get(name) for name in cells.names()} | function.__globals__
        return next((name for name, value in known.items() if value is loader), "loader")
    return "loader"
