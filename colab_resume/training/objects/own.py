"""An object of the user's own that has no way to give its state: its attributes, and those of what it holds.

`EarlyStopping(patience=3)`, a replay memory, an image pool, an environment of Gymnasium that is written in python. As
with modules, of plain attributes only those are kept that have another value than when the object was tracked, so that
what a constructor is told anew is never overridden. What is tracked by itself is left out, and so is what does not
change: functions, loggers, the data. All else is refused by name, for it might be missed.

A state comes back into the very objects, lists and arrays that are there, since other variables may hold them, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from .classes import kind_of, resolve
from .graph import OBJECT, TUPLE, Node, Walk, attributes_of, marks
from .plain import copied, is_plain, same
from .refill import Refill, put, remove

__all__ = ["OwnPart"]

_NOT_THE_USERS = {kind_of(kind) for kind in (tuple, torch.Tensor, np.ndarray)}
_BIG = 1 << 20
"""An array of so many bytes is not copied when it is tracked, and kept whether it has changed or not."""


class OwnPart:
    """`parameters`: the tensors of tracked modules. `everything`: what is tracked. Both by name."""

    def __init__(
        self,
        name: str,
        owner: Any,
        parameters: Callable[[], Mapping[str, torch.Tensor]],
        everything: Callable[[], Mapping[str, Any]],
    ) -> None:
        self.kind = kind_of(type(owner))
        self._name = name
        self._owner = owner
        self._parameters = parameters
        self._everything = everything
        self._first = {node.path: _small(node) for node in self._walk().nodes if node.is_fixed}
        self.stood = self.chance()

    def state(self) -> Any:
        """The objects that it is made of, itself first, each with class, place and attributes; and the generators."""
        walk = self._walk()
        objects = [
            {"class": kind_of(type(node.thing)), "path": node.path, "values": self._changed(node)}
            for node in walk.nodes
        ]
        return {"objects": objects, "generators": {path: source.get() for path, source in walk.generators.items()}}

    def differences(self, saved: Any) -> list[str]:
        if not _is_a_state(saved):
            return ["what was saved is not the state of an object"]
        kinds = {node.path: node.kind for node in self._walk(strict=False).nodes if node.is_fixed}
        lines = []
        for one in saved["objects"]:
            path, kind = one["path"], one["class"]
            if kinds.get(path, kind) != kind:
                lines.append(f"{path} is a {kind} in the checkpoint, a {kinds[path]} now")
            elif path not in kinds and resolve(kind) is None:
                lines.append(f"{path} is a {kind} in the checkpoint, which is not defined now")
            tuples = {mark[TUPLE] for mark in marks(one["values"]) if TUPLE in mark} - _NOT_THE_USERS
            gone = (name for name in sorted(tuples) if resolve(name, row=True) is None)
            lines += [f"{path} holds a {name} in the checkpoint, which is not defined now" for name in gone]
        return lines

    def load(self, saved: Any) -> None:
        taken = self._walk(strict=False).taken
        for thing, path, values in Refill(self._owner, saved["objects"]).each():
            first = self._first.get(path, {})
            for name, value in attributes_of(thing).items():
                if name in values or not is_plain(value, taken):
                    continue
                if name not in first:
                    remove(thing, name)
                elif not same(value, first[name]):
                    put(thing, name, copied(first[name]))
        self.stand(saved["generators"])

    def chance(self) -> dict[str, Any]:
        """How the generators stand that it holds, by their places."""
        return {path: source.get() for path, source in self._walk(strict=False).generators.items()}

    def stand(self, chance: Mapping[str, Any]) -> None:
        """Those that are there."""
        for path, source in self._walk(strict=False).generators.items():
            if path in chance:
                source.set(chance[path])

    def _walk(self, *, strict: bool = True) -> Walk:
        others = (thing for thing in self._everything().values() if thing is not self._owner)
        return Walk(self._name, self._owner, others, self._parameters().values(), strict=strict)

    def _changed(self, node: Node) -> dict[str, Any]:
        first = self._first.get(node.path, {}) if node.is_fixed else {}
        return {
            name: value
            for name, value in node.values.items()
            if name in node.marked or name not in first or not same(value, first[name])
        }


def _small(node: Node) -> dict[str, Any]:
    plain = ((name, value) for name, value in node.values.items() if name not in node.marked)
    return {name: copied(value) for name, value in plain if getattr(value, "nbytes", 0) < _BIG}


def _is_a_state(saved: Any) -> bool:
    match saved:
        case {"objects": [_, *_] as objects, "generators": dict()}:
            kinds = [(one.get("class"), one.get("path"), one.get("values")) for one in objects if type(one) is dict]
            fit = (type(kind) is type(path) is str and type(values) is dict for kind, path, values in kinds)
            named = [mark[OBJECT] for _, _, values in kinds for mark in marks(values) if OBJECT in mark]
            return len(kinds) == len(objects) and all(fit) and all(one in range(len(objects)) for one in named)
    return False
