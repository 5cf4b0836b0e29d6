"""Looks at what a loop carries before its first turn, after the first, the second, the fourth, and so on.

Only turns of one pass are compared: what the loop around it makes anew for each pass is not carried by this one.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import FrameType, FunctionType
from typing import Any

import numpy as np
import torch

from ...errors import UsageError
from ..by_hand import loops_outward
from ..data.users_code import is_users_file
from ..objects.classes import is_node
from ..objects.whose import is_tf_function
from .anew import begins_anew
from .carried import body_at, carried, left_by
from .changes import holds_weights, is_drawn_from, is_users_object, mark_of, variables
from .heads import differing, entry_of, head_of, moved
from .replaced import replaced
from .sources import Sources
from .strays import Strays
from .texts import Texts

__all__ = ["Forgotten", "Watch"]

_VALUES = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    np.generic,
    np.ndarray,
    torch.Tensor,
    list,
    dict,
    set,
    deque,
)


class Forgotten:
    """`tracked` gives what is, by name; `tell` hears what is not, each name once, and what to do.

    `strays` are looked for if this disk goes with the machine.
    """

    def __init__(
        self, tracked: Callable[[], Mapping[str, Any]], tell: Callable[[str], None], strays: Strays | None = None
    ) -> None:
        self._tracked = tracked
        self._strays = strays
        self._tell = tell
        self._told: set[str] = set()
        self._outside = loops_outward(sys._getframe())
        self._texts, self._sources = Texts(tell), Sources(tell)
        self._entries: dict[str, str] = {}
        self._entered: set[str] = set()
        self._could_not_look = False

    def state(self) -> dict[str, Any]:
        """What each loop has found before it when it began for the first time."""
        return {"entries": dict(self._entries), "texts": self._texts.state(), "sources": self._sources.state()}

    def go_back_to(self, saved: Mapping[str, Any]) -> None:
        """What the `state` of the life was that is gone on with."""
        # A checkpoint from before a loop began knows nothing of it; it is not entered anew in this process.
        self._entries |= saved.get("entries", {})
        self._texts.go_back_to(saved.get("texts", {}))
        self._sources.go_back_to(saved.get("sources", {}))

    def watch(self) -> Watch:
        """One pass of a loop begins."""
        return Watch(self)

    def refuse_replaced(self, frame: FrameType) -> None:
        """Raise `UsageError` if the loop is about to train what was made anew, and checkpoints hold what was before."""
        if not is_users_file(frame.f_code.co_filename):
            return
        try:
            names = replaced(frame, self._tracked(), _covered(self._kept())[0])
        except Exception as error:  # noqa: BLE001 - variables are of any kind
            self.could_not_look(error)
            return
        if names:
            raise UsageError(
                f"made anew and not tracked again: {', '.join(names)}. The loop would use that, and no checkpoint "
                "would hold it",
                hint="run the cell with run.track(...) again, after the one that makes it; what is another thing gets "
                "another name",
            )

    def compare(self, frame: FrameType, before: dict[str, Hashable]) -> dict[str, Hashable]:
        """Tell what is other than it was `before`; what it is now."""
        if not is_users_file(frame.f_code.co_filename) or (body := body_at(frame)) is None:
            return {}
        covered, named = _covered(self._kept())
        marks: dict[str, Hashable] = {}
        changed: dict[str, Any] = {}
        for variable, thing in carried(frame, body).items():
            if is_tf_function(thing):
                self._look_into(variable, thing)
                continue
            for name, value, mark in () if variable in named else _marked(variable, thing, covered):
                marks[name] = mark
                if mark is not None and before.get(name) not in (None, mark) and name not in self._told:
                    changed[name] = value
        if changed:
            self._told |= changed.keys()
            self._tell(_in_words(changed))
        self._tell_of_left({name: thing for name, thing in left_by(frame, body).items() if id(thing) not in covered})
        return marks

    def _tell_of_left(self, left: Mapping[str, Any]) -> None:
        """The weights of the best epoch, in a variable that the loop sets now and then."""
        if names := [name for name in left if name not in self._told and holds_weights(left[name])]:
            self._told |= set(names)
            self._tell(
                f"the loop sets {', '.join(names)} in some of its turns, and no checkpoint holds it: a restart begins "
                "it anew, with what is set before the loop. Keep it in run.state(...), of a model its state_dict; or "
                'let the run keep the best checkpoint, run.best("val_loss", "min")'
            )

    def compare_head(self, frame: FrameType, loader: Any, before: dict[str, Any] | None) -> dict[str, Any]:
        """Tell what an epoch has made otherwise for its batches than it was `before`; what it is now."""
        if not is_users_file(frame.f_code.co_filename):
            return {}
        now = head_of(frame, loader, _modules(self._kept()))
        if names := differing(before or {}, now):
            self._tell(
                f"what the head of this epoch makes for its batches is not what it was before the restart "
                f"({', '.join(names)}): it ran again with what has been trained since. If the training depends on it, "
                "make it behind the batches of the epoch before, and keep it by run.state or run.track"
            )
        return now

    def compare_entry(self, frame: FrameType, name: str) -> None:
        """Tell what a loop of this name finds before it otherwise than when it began for the first time."""
        if name in self._entered or not is_users_file(frame.f_code.co_filename):
            return
        kept = list(self._kept())
        self._entered.add(name)
        self._texts.look(frame, name)
        covered, named = _covered(kept)
        self._sources.enter(frame, name, _modules(kept), covered)
        if names := moved(self._entries, name, entry_of(frame, kept, covered, named)):
            self._tell(
                f"what stands before the loop is not what it was when the loop began first ({', '.join(names)}). If it "
                "is made of weights (a teacher, a copy to stay near), make it before run.track, which brings the "
                "trained ones back; if it is made of files or of a `set` of texts, sort these. If you have changed it "
                "yourself, all is well"
            )

    def meet(self, loader: Any, loop: str) -> None:
        """A first pass over this loader is asked for, in the loop of this name. The first one of a library's own shows
        here alone what it goes over."""
        if self._sources.is_known:
            return
        kept = list(self._kept())
        try:
            self._texts.look(sys._getframe(), loop)
            self._sources.meet(loader, loop, _modules(kept), _covered(kept)[0])
        except Exception as error:  # noqa: BLE001 - data are of any kind
            self.could_not_look(error)

    def compare_around(self, frame: FrameType) -> None:
        """Tell of a loop around `run.boundary()` that a restart would begin anew."""
        if (loop := begins_anew(frame, self._outside)) and loop not in self._told:
            self._told.add(loop)
            self._tell(
                f"the `for` loop over {loop} around run.boundary() is none of the run's: a restart would begin it "
                "anew. Say `for step in run.steps(n)`, or draw from run.batches(loader), or begin it at "
                "run.status().step"
            )

    def look_for_strays(self, frame: FrameType) -> None:
        """Tell of files that the loop writes and that go with this disk, once."""
        if self._strays is None or not is_users_file(frame.f_code.co_filename) or not (found := self._strays.found()):
            return
        self._strays = None
        self._tell(
            f"the loop writes {found} on this VM's disk, and a new VM will not have it: write to a folder of the run, "
            'models = run.folder("models"), or let the run keep the best checkpoint, run.best("val_loss", "min")'
        )

    def could_not_look(self, error: Exception) -> None:
        """Say so, once."""
        if not self._could_not_look:
            self._could_not_look = True
            self._tell(f"what the loop changes and no checkpoint holds could not be looked for: {error!r}")

    def _kept(self) -> Iterable[Any]:
        return self._tracked().values()

    def _look_into(self, name: str, function: Any) -> None:
        """One of TensorFlow may hold random operations that no checkpoint reaches."""
        from ..tensorflow.counted import counting_now, in_words

        if name not in self._told and (kinds := counting_now(function)):
            self._told.add(name)
            self._tell(f"{name} {in_words(kinds)}")


class Watch:
    """One pass of a loop; `frame` is that of the user's code whenever it asks for the next turn."""

    def __init__(self, forgotten: Forgotten) -> None:
        self._forgotten = forgotten
        self._turns = -1
        self._marks: dict[str, Hashable] = {}

    @property
    def is_due(self) -> bool:
        """Whether to look now; asked once for each turn, and once before the first."""
        self._turns += 1
        return not self._turns & (self._turns - 1)

    def look_at_head(self, frame: FrameType, loader: Any, before: dict[str, Any] | None) -> dict[str, Any]:
        """What an epoch has made for this pass, in a few numbers; `before`: what it was when the pass began first."""
        try:
            return self._forgotten.compare_head(frame, loader, before)
        except Exception as error:  # noqa: BLE001 - variables are of any kind
            self._forgotten.could_not_look(error)
            return before or {}

    def look(self, frame: FrameType, *, says_boundaries: bool = False, entry: str = "") -> None:
        """Compare with the look before; the training goes on whatever that meets.

        `says_boundaries`: the code calls `run.boundary()`. `entry`: the name of a loop that no other is around.
        """
        if not self._turns and (entry or says_boundaries):
            self._forgotten.refuse_replaced(frame)
        try:
            if entry:
                self._forgotten.compare_entry(frame, entry)
            if says_boundaries:
                self._forgotten.compare_around(frame)
            if entry or says_boundaries:
                self._forgotten.look_for_strays(frame)
            self._marks = self._forgotten.compare(frame, self._marks)
        except Exception as error:  # noqa: BLE001 - variables are of any kind
            self._marks = {}
            self._forgotten.could_not_look(error)


def _modules(kept: Iterable[Any]) -> list[torch.nn.Module]:
    return [one for one in kept if isinstance(one, torch.nn.Module)]


def _marked(variable: str, thing: Any, covered: set[int]) -> list[tuple[str, Any, Hashable]]:
    """What this variable holds, by name, with a mark for each; nothing if it cannot be looked at."""
    try:
        return [(name, value, mark_of(value, covered)) for name, value in variables(variable, thing, covered)]
    except Exception:  # noqa: BLE001 - things are of any kind, and some answer to no question
        return []


def _covered(kept: Iterable[Any]) -> tuple[set[int], set[str]]:
    """The identities of what is tracked and of its parts, and the variables that functions which were tracked name."""
    covered: set[int] = set()
    named: set[str] = set()
    things = list(kept)
    for thing in things:  # it grows while it is gone through
        covered.add(id(thing))
        if isinstance(thing, torch.nn.Module):
            covered.update(map(id, (*thing.modules(), *thing.parameters(), *thing.buffers())))
        for one in thing if isinstance(thing, tuple) else ():
            if isinstance(one, FunctionType):
                named.update((*one.__code__.co_names, *one.__code__.co_freevars))
            covered.add(id(getattr(one, "__self__", None)))
        parts = [one for one in getattr(thing, "__dict__", {}).values() if not _is_left_out(thing, one)]
        if is_node(thing):  # what it holds of that kind is kept with it
            things += [one for one in parts if is_node(one) and id(one) not in covered]
        covered.update(map(id, parts))
        covered.update(id(item) for part in parts if isinstance(part, list | tuple) for item in part)
    return covered - {id(None)}, named


def _is_left_out(module: Any, part: Any) -> bool:
    """Modules keep no objects that are in their attributes."""
    return isinstance(module, torch.nn.Module) and is_users_object(part)


def _in_words(changed: dict[str, Any]) -> str:
    found = ", ".join(f"{name} ({_kind(value)})" for name, value in changed.items())
    drawn = [name for name, value in changed.items() if is_drawn_from(value)]
    objects = [name for name, value in changed.items() if not isinstance(value, _VALUES) and name not in drawn]
    owners = [name.rpartition(".")[0] for name in changed if "." in name and name not in (*objects, *drawn)]
    tracked = ", ".join(map(_tracked, dict.fromkeys([*objects, *owners])))
    to_do = ["keep values in run.state(...)"] * (len(objects) + len(owners) + len(drawn) < len(changed))
    to_do += [f"say run.track({tracked})"] * bool(tracked)
    to_do += [f"let {', '.join(drawn)} draw from run.batches(loader) in place of the loader"] * bool(drawn)
    return (
        f"the loop changes what is in no checkpoint: {found}. A restart would begin it anew: {'; '.join(to_do)}. What "
        "you only look at may stay"
    )


def _tracked(path: str) -> str:
    """As an argument of `run.track`; a layer of a `Sequential` has a number."""
    name = path.rpartition(".")[2]
    place = re.sub(r"[.]([0-9]+)", r"[\1]", path)
    return f"{'trainer' if name == 'self' else name}={place}"


def _kind(value: Any) -> str:
    if isinstance(value, int | float | complex | np.number) and not isinstance(value, bool):
        return "a number"
    if isinstance(value, bool | str | list | dict):
        return {bool: "true or false", str: "a text", list: "a list", dict: "a dict"}.get(type(value), "a container")
    if is_drawn_from(value):
        return "an iterator"
    return "a tensor" if type(value) is torch.Tensor else type(value).__name__
