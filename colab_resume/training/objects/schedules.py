"""A schedule of torch's kind that holds others: its `state_dict` has these themselves, and not what they need.

So it is with warm-ups of somebody's own, which hand over to the schedule that they were given. Torch's own ones that
hold others know better, and give states.
"""

from __future__ import annotations

from typing import Any

from torch.optim.lr_scheduler import LRScheduler

__all__ = ["put_back", "state_of"]

_HELD = "held schedules"
"""No attribute can have such a name."""


def state_of(schedule: LRScheduler) -> dict[str, Any]:
    """What it says itself, with states in place of the schedules that it holds."""
    said = schedule.state_dict()
    held = {name: state_of(value) for name, value in said.items() if isinstance(value, LRScheduler)}
    others = {name: value for name, value in said.items() if name not in held}
    return {**others, _HELD: held} if held else others


def put_back(schedule: LRScheduler, saved: dict[str, Any]) -> None:
    """Load it, and those that it holds where they are now."""
    schedule.load_state_dict({name: value for name, value in saved.items() if name != _HELD})
    for name, state in saved.get(_HELD, {}).items():
        put_back(getattr(schedule, name), state)
