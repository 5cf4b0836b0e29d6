"""Optimizers around optimizers: Lookahead, SAM, and whatever else holds another one in an attribute.

What such a wrapper's own `state_dict` gives is often a part only: SAM's lacks the moments of the optimizer inside. And
`load_state_dict` tears apart what wrapper and inside share, so that a schedule no longer reaches the one that steps. So
the whole nest is taken, each thing once, and put back into the very dicts that are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import torch

__all__ = ["Nest", "is_built", "members"]


def is_built(optimizer: torch.optim.Optimizer) -> bool:
    """Whether torch's constructor was called, which wrappers may leave out: without it there is no `state_dict`."""
    return hasattr(optimizer, "_optimizer_state_dict_pre_hooks")


def members(optimizer: torch.optim.Optimizer) -> dict[str, torch.optim.Optimizer]:
    """This optimizer and those that it holds, each once, by the way from attribute to attribute."""
    found: dict[str, torch.optim.Optimizer] = {"": optimizer}
    waiting = [("", optimizer)]
    while waiting:
        path, holder = waiting.pop(0)
        for step, inside in _held(holder):
            if not any(inside is one for one in found.values()):
                found[path + step] = inside
                waiting.append((path + step, inside))
    return found


def _held(holder: torch.optim.Optimizer) -> Iterator[tuple[str, torch.optim.Optimizer]]:
    for name, value in vars(holder).items():
        several = value if type(value) in (list, tuple) else (value,)
        for number, one in enumerate(several):
            if isinstance(one, torch.optim.Optimizer):
                yield f".{name}" if one is value else f".{name}[{number}]", one


class Nest:
    """All that the `members` keep for parameters and in parameter groups, each dict of theirs once."""

    def __init__(self, members: dict[str, torch.optim.Optimizer]) -> None:
        self._members = members

    def state(self) -> dict[str, Any]:
        """Live. A parameter is the number that it has among all parameters of the groups."""
        numbers = {id(parameter): number for number, parameter in enumerate(self._parameters())}
        return {
            "states": {path: _numbered(state, numbers) for path, state in self._states().items()},
            "groups": {path: _options(group) for path, group in self._groups().items()},
        }

    def differences(self, saved: Any) -> list[str]:
        """Whether it is made of what it was made of; the parameters themselves are compared elsewhere."""
        before, now = ([*one["states"], *one["groups"]] for one in (saved, self.state()))
        if before == now:
            return []
        return [f"it is made of {_shown(before)} in the checkpoint, of {_shown(now)} now"]

    def load(self, saved: Any) -> None:
        """In place, since others may hold these dicts, too."""
        parameters = self._parameters()
        for path, state in self._states().items():
            state.clear()
            for number, entry in saved["states"][path]["parameters"]:
                state[parameters[number]] = _beside(parameters[number], entry)
            state.update(saved["states"][path]["others"])
        for path, group in self._groups().items():
            for name in _options(group):
                del group[name]
            group.update(saved["groups"][path])

    def entries(self) -> Iterator[Any]:
        """What it keeps, whatever that is for."""
        for state in self._states().values():
            yield from state.values()

    def _parameters(self) -> list[torch.Tensor]:
        every = (parameter for group in self._groups().values() for parameter in group["params"])
        return list({id(parameter): parameter for parameter in every}.values())

    def _states(self) -> dict[str, MutableMapping[Any, Any]]:
        found: dict[int, tuple[str, MutableMapping[Any, Any]]] = {}
        for path, member in self._members.items():
            found.setdefault(id(member.state), (path, member.state))
        return dict(found.values())

    def _groups(self) -> dict[str, dict[str, Any]]:
        found: dict[int, tuple[str, dict[str, Any]]] = {}
        for path, member in self._members.items():
            for number, group in enumerate(member.param_groups):
                found.setdefault(id(group), (f"{path}[{number}]", group))
        return dict(found.values())


def _options(group: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def _numbered(state: Mapping[Any, Any], numbers: Mapping[int, int]) -> dict[str, list[Any]]:
    known = [(numbers.get(id(key)), key, entry) for key, entry in state.items()]
    return {
        "parameters": [[number, entry] for number, _, entry in known if number is not None],
        "others": [[key, entry] for number, key, entry in known if number is None],
    }


def _beside(parameter: torch.Tensor, entry: Any) -> Any:
    """What is kept for a parameter goes where the parameter is now; counts stay on the CPU, where torch has them."""
    if not isinstance(entry, dict):
        return entry
    is_moved = {key: isinstance(value, torch.Tensor) and value.dim() > 0 for key, value in entry.items()}
    return {key: value.to(parameter.device) if is_moved[key] else value for key, value in entry.items()}


def _shown(paths: Sequence[str]) -> str:
    return ", ".join(path or "itself" for path in paths)
