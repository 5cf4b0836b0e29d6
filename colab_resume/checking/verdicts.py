"""From what the runs of a check showed to what the user reads: the likely cause, and the line that mends it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import torch

from .kernels import how_to_repeat
from .openings import CONTAINERS
from .reach import Owner
from .report import Row, joined
from .trial import Given

__all__ = [
    "about_given",
    "about_incomplete",
    "about_lost",
    "about_lost_unproved",
    "about_repeating",
    "not_put_back",
    "unexplained",
]

_TRAINING = "the training"


def about_repeating(unlike: str, alerts: Collection[str]) -> list[Row]:
    """Whether the steps give the same twice; `alerts` are operations that torch calls non-deterministic."""
    listed = joined(sorted(alerts))
    if unlike and alerts:
        found = f"is not deterministic: from the same state, {unlike}"
        return [Row("mistake", listed, found, f"set {how_to_repeat()}, or use another operation")]
    if unlike and torch.cuda.is_available():
        found = f"GPU kernels are not deterministic: from the same state, {unlike}"
        return [Row("mistake", _TRAINING, found, f"set {how_to_repeat()}")]
    if unlike:
        found = f"from the same state, {unlike}: the step takes in something that cannot be put back"
        return [Row("mistake", _TRAINING, found, "take the time, os.urandom, files and other threads out of the step")]
    if alerts:
        found = "may give other bits on another day: torch calls it non-deterministic; in this check it gave the same"
        return [Row("warning", listed, found, f"set {how_to_repeat()}, or use another operation")]
    return []


def about_given(beside: Iterable[Given]) -> list[Row]:
    """What a step returns or logs that is another thing each time, while the training itself is the same."""
    names = sorted({given.name or f"what a step {given.how}" for given in beside})
    found = "is another value each time, from the same state; the training does not depend on it"
    return [Row("note", joined(names), found, "nothing, if it is a time")] if names else []


def about_lost(lost: Iterable[Owner], counting: Collection[str], carried: Collection[str]) -> list[Row]:
    """Whatever a restart does not bring back; nothing is said of what each step makes anew."""
    rows, notes = [], []
    for owner in lost:
        if owner.name in counting:
            rows.append(_counts(owner))
        elif owner.name not in carried or owner.tracked:
            continue
        elif owner.stateful:
            rows.append(_untracked(owner))
        elif _holds_numbers(owner.thing):
            rows.append(
                Row("mistake", owner.name, "is not tracked; a restart loses what it has gathered", _pair(owner))
            )
        else:
            notes.append(owner)
    return rows + _notes(notes, "is lost at a restart; the training does not depend on it")


def about_lost_unproved(lost: Iterable[Owner]) -> list[Row]:
    """The same where steps cannot be repeated, so that nobody can say what they depend on."""
    lost = [owner for owner in lost if not owner.tracked]
    rows = [_untracked(owner) for owner in lost if owner.stateful]
    plain = [owner for owner in lost if not owner.stateful]
    return rows + _notes(plain, "is lost at a restart; whether it counts shows once the steps can be repeated")


def about_incomplete(incomplete: Mapping[str, str]) -> list[Row]:
    """Tracked objects that are not what they were once their state is put back."""
    found = "is tracked, but its state is incomplete: once restored, {}"
    advice = "make its state_dict and load_state_dict keep all that a step uses"
    return [Row("mistake", name, found.format(how), advice) for name, how in incomplete.items()]


def unexplained(how: str) -> Row:
    """A restart makes a difference, and no single thing does."""
    found = f"after a restart, {how}; no single thing explains it"
    return Row("mistake", _TRAINING, found, "track every object that a step changes")


def not_put_back(names: Iterable[str]) -> list[Row]:
    """What the check itself has left otherwise than it was."""
    found = "could not be put back as it was before the check"
    return [Row("warning", name, found, "make it anew before you train") for name in names]


def _untracked(owner: Owner) -> Row:
    return Row("mistake", owner.name, "is not tracked; a restart loses its state", _track(owner))


def _counts(owner: Owner) -> Row:
    if owner.tracked:
        found = f"is not in the state of {owner.tracked}, and the training depends on it"
        return Row("mistake", owner.name, found, _inside(owner))
    if owner.stateful:
        return _untracked(owner)
    found = "is not tracked, and the training depends on it"
    return Row("mistake", owner.name, found, _pair(owner) if _holds_numbers(owner.thing) else _keep(owner))


def _notes(owners: list[Owner], found: str) -> list[Row]:
    names = [owner.name for owner in owners]
    return [Row("note", joined(names), found, "if you want it back, keep it in run.state(...)")] if names else []


def _track(owner: Owner) -> str:
    return f"run.track({_word(owner)}={owner.name})"


def _keep(owner: Owner) -> str:
    word = _word(owner)
    return f"keep it in run.state: s = run.state({word}={_shown(owner.thing)}), and use s.{word}"


def _pair(owner: Owner) -> str:
    word, name = _word(owner), owner.name
    if isinstance(owner.thing, torch.Tensor):
        return f"run.track({word}=(lambda: {name}, {name}.data.copy_))"
    if isinstance(owner.thing, np.ndarray):
        return f"run.track({word}=({name}.copy, lambda saved: np.copyto({name}, saved)))"
    return _keep(owner)


def _inside(owner: Owner) -> str:
    if owner.stateful:
        return _track(owner)
    if isinstance(owner.thing, torch.Tensor):
        return "make it a buffer of the module: self.register_buffer(...)"
    return f"put it into the state_dict of {owner.tracked}, or keep it in run.state(...)"


def _word(owner: Owner) -> str:
    """What it can be called in `run.track` or `run.state`."""
    words: list[str] = re.findall(r"[A-Za-z_]\w*", owner.name)
    return words[-1]


def _shown(thing: Any) -> str:
    text = repr(thing)
    return text if len(text) <= 20 and not isinstance(thing, torch.Tensor) else "..."


def _holds_numbers(thing: Any, depth: int = 3) -> bool:
    """Whether these are tensors or arrays, or a container of some, as an average of weights is."""
    if isinstance(thing, (torch.Tensor, np.ndarray)):
        return True
    if depth and isinstance(thing, (*CONTAINERS, tuple)):
        items = thing.values() if isinstance(thing, dict) else thing
        return any(_holds_numbers(item, depth - 1) for item in items)
    return False
