"""Whether the state of a module or an optimizer has the same form as when it was looked at before.

Turning a `state_dict` with thousands of tensors into JSON takes longer than copying them. From one checkpoint to the
next it comes out the same as long as all that it is made of is: the objects by identity, the memory by address. To look
again takes a fraction of the time. There is no look where something is in play that could change unseen: hooks,
overridden methods, lists and dicts that are state.
"""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import chain
from operator import attrgetter
from typing import Any, Protocol

import torch
from torch.nn.parameter import is_lazy

from ..data.generators import source_of
from .attributes import attributes_of
from .identity import are_same
from .plain import is_plain

__all__ = ["Look", "ModuleLook", "OptimizerLook", "TORCHS_OWN", "look_at_module", "look_at_optimizer"]

TORCHS_OWN = frozenset(vars(torch.nn.Module()))
"""The attributes that every module has."""
_MODULE_METHODS = ("state_dict", "_save_to_state_dict", "get_extra_state", "named_parameters", "named_modules")
_PLAIN = (type(None), bool, int, float, str)
_TENSORS = (torch.Tensor, torch.nn.Parameter)


class Look(Protocol):
    """What something was made of when it was looked at."""

    def holds(self) -> bool:
        """Whether a state made now would have the same form, and its tensors the same memory."""
        ...

    def options(self) -> Mapping[tuple[int, str], Any]:
        """Plain values, by the number of their group and their name, that may differ all the same, as they are now."""
        ...


def look_at_module(module: torch.nn.Module) -> ModuleLook | None:
    """All that `ModulePart` makes a state and extras of; None if that can change unseen."""
    modules = list(module.modules())
    return ModuleLook(modules) if all(map(_is_ordinary, modules)) else None


def look_at_optimizer(optimizer: torch.optim.Optimizer) -> OptimizerLook | None:
    """All that `OptimizerPart` makes a state of, but for gradients; None if that can change unseen."""
    own = attributes_of(optimizer).values()
    if not all(_is_immutable(one) or not (is_plain(one) or isinstance(one, dict)) for one in own):
        return None
    hooked = optimizer._optimizer_state_dict_pre_hooks or optimizer._optimizer_state_dict_post_hooks
    if hooked or type(optimizer).state_dict is not torch.optim.Optimizer.state_dict:
        return None
    slots, groups = list(optimizer.state.values()), optimizer.param_groups
    values = [*chain.from_iterable(slot.values() for slot in slots if type(slot) is dict)]
    values += [value for group in groups for key, value in group.items() if key != "params"]
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    if not all(type(slot) is dict for slot in slots) or not all(map(_has_memory, tensors)):
        return None
    return OptimizerLook(optimizer) if all(_is_fixed(value) for value in values) else None


class _Seen(ABC):
    """What something is made of: objects, compared by identity, and details of them, compared by value."""

    def __init__(self) -> None:
        self._objects = self._made_of()
        # Each once.
        self._tensors = list({id(one): one for one in self._objects if type(one) in _TENSORS}.values())
        self._numbers = self._details()

    def holds(self) -> bool:
        return are_same(self._objects, self._made_of()) and self._numbers == self._details()

    @abstractmethod
    def _made_of(self) -> tuple[Any, ...]: ...

    @abstractmethod
    def _details(self) -> list[Any]: ...


class ModuleLook(_Seen):
    """`modules`: the module and all below it."""

    def __init__(self, modules: list[torch.nn.Module]) -> None:
        self._modules = modules
        homes = list(map(vars, modules))
        # They are among what it is made of, so that others in their place would be noticed.
        self._inside = [home[kind] for kind in ("_modules", "_parameters", "_buffers") for home in homes]
        self._hooks = [home[kind] for kind in ("_state_dict_hooks", "_state_dict_pre_hooks") for home in homes]
        super().__init__()

    def options(self) -> Mapping[tuple[int, str], Any]:
        return {}

    def _made_of(self) -> tuple[Any, ...]:
        return (*gc.get_referents(*map(vars, self._modules)), *gc.get_referents(*self._inside))

    def _details(self) -> list[Any]:
        flags = map(attrgetter("requires_grad"), self._tensors)
        return [any(self._hooks), *map(torch.Tensor.data_ptr, self._tensors), *flags]


class OptimizerLook(_Seen):
    """At an optimizer."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        super().__init__()

    def options(self) -> Mapping[tuple[int, str], Any]:
        groups = enumerate(self._optimizer.param_groups)
        return {(n, key): value for n, group in groups for key, value in group.items() if type(value) in _PLAIN}

    def _made_of(self) -> tuple[Any, ...]:
        state, groups = self._optimizer.state, self._optimizer.param_groups
        options = ((key, None if type(value) in _PLAIN else value) for group in groups for key, value in group.items())
        slots = list(state.values())
        return (
            *vars(self._optimizer).values(),
            *state,
            *chain.from_iterable(slots),
            *gc.get_referents(*slots),
            *chain.from_iterable(options),
            *chain.from_iterable(group["params"] for group in groups),
        )

    def _details(self) -> list[Any]:
        sizes = (len(group["params"]) for group in self._optimizer.param_groups)
        hooks = self._optimizer._optimizer_state_dict_pre_hooks, self._optimizer._optimizer_state_dict_post_hooks
        lengths = map(len, (*hooks, *self._optimizer.state.values()))
        return [*sizes, *lengths, *map(torch.Tensor.data_ptr, self._tensors)]


def _is_ordinary(module: torch.nn.Module) -> bool:
    if not all(isinstance(vars(module).get(home), dict) for home in ("_modules", "_parameters", "_buffers")):
        return False  # a scripted module keeps them elsewhere
    if module._state_dict_hooks or module._state_dict_pre_hooks or module._non_persistent_buffers_set:
        return False
    if any(getattr(type(module), name) is not getattr(torch.nn.Module, name) for name in _MODULE_METHODS):
        return False
    own = (value for name, value in vars(module).items() if name not in TORCHS_OWN)
    tensors = (one for one in (*module._parameters.values(), *module._buffers.values()) if one is not None)
    return all(map(_has_memory, tensors)) and all(_is_immutable(one) or not _is_kept(one) for one in own)


def _is_kept(value: Any) -> bool:
    """Whether `ModulePart` keeps it, as an attribute."""
    return is_plain(value) or source_of(value) is not None


def _is_fixed(value: Any) -> bool:
    """Whether this is the same as long as it is the same object, or is stored as memory that is looked at."""
    return type(value) in _TENSORS or _is_immutable(value)


def _is_immutable(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(type(item) in _PLAIN for item in value)
    return type(value) in _PLAIN


def _has_memory(tensor: torch.Tensor) -> bool:
    return type(tensor) in _TENSORS and tensor.layout is torch.strided and not is_lazy(tensor)
