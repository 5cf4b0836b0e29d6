"""Plain values that an optimizer of somebody's own keeps in attributes, where no `state_dict` looks: counters, buffers.

As with modules: only what differs from when the object was tracked, so that an argument that is new in the code is not
overridden by an old checkpoint. A dict by parameter is kept by their numbers among all parameters of the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch

from .plain import copied, is_plain, same

__all__ = ["Attributes", "attributes_of"]

_TORCHS_OWN = frozenset(vars(torch.optim.Optimizer([torch.zeros(1, device="cpu")], {}))) | {"_opt_called"}
"""The last one is what schedules leave, for a warning of theirs."""
_BY_NUMBER = "by the numbers of parameters"


def attributes_of(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Those that torch's own optimizers do not have."""
    return {name: value for name, value in vars(optimizer).items() if name not in _TORCHS_OWN}


class Attributes:
    """Of one optimizer; `taken` gives the addresses of memory that is stored elsewhere."""

    def __init__(self, optimizer: torch.optim.Optimizer, taken: Callable[[], Collection[int]]) -> None:
        self._optimizer = optimizer
        self._taken = taken
        self._tracked = {name: copied(value) for name, value in self._plain().items()}

    def changed(self) -> dict[str, Any]:
        """Those with another value than when it was tracked, live."""
        return {
            name: value
            for name, value in self._plain().items()
            if name not in self._tracked or not same(value, self._tracked[name])
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Put these back, and the others as when it was tracked: code on the way here may have set them."""
        home, now = vars(self._optimizer), self._plain()
        for name in now.keys() - self._tracked.keys() - saved.keys():
            del home[name]
        for name, value in {**self._tracked, **saved}.items():
            if name in home and name not in now:
                continue  # the code has something else under this name by now
            if name not in now or not same(now[name], value):
                self._put(name, copied(value))

    def _plain(self) -> dict[str, Any]:
        every = {name: self._by_number(value) for name, value in attributes_of(self._optimizer).items()}
        taken = self._taken() if every else ()
        return {name: value for name, value in every.items() if is_plain(value, taken)}

    def _by_number(self, value: Any) -> Any:
        """The same with a number for each parameter, if it is a dict by parameter, or may become one."""
        if not isinstance(value, dict) or is_plain(value) or not all(isinstance(key, torch.Tensor) for key in value):
            return value
        numbers = {id(parameter): number for number, parameter in enumerate(self._parameters())}
        if any(id(key) not in numbers for key in value):
            return value
        return {_BY_NUMBER: [[numbers[id(key)], item] for key, item in value.items()]}

    def _put(self, name: str, value: Any) -> None:
        home = vars(self._optimizer)
        if type(value) is not dict or value.keys() != {_BY_NUMBER}:
            home[name] = value
            return
        parameters, there = self._parameters(), home.get(name)
        filled: dict[Any, Any] = there if isinstance(there, dict) else {}
        filled.clear()
        filled.update((parameters[number], item) for number, item in value[_BY_NUMBER])
        home[name] = filled

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
