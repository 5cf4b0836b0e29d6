"""Plain values that an optimizer of somebody's own keeps in attributes, where no `state_dict` looks: counters, buffers.

As with modules: only what differs from when the object was tracked, so that an argument that is new in the code is not
overridden by an old checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch

from .plain import copied, is_plain, same

__all__ = ["Attributes", "attributes_of"]

_TORCHS_OWN = frozenset(vars(torch.optim.Optimizer([torch.zeros(1, device="cpu")], {}))) | {"_opt_called"}
"""The last one is what schedules leave, for a warning of theirs."""


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
                home[name] = copied(value)

    def _plain(self) -> dict[str, Any]:
        every = attributes_of(self._optimizer)
        taken = self._taken() if every else ()
        return {name: value for name, value in every.items() if is_plain(value, taken)}
