"""How each kind of thing is kept and put back in place: the same objects, with the same contents.

Nothing is written where nothing has changed, so that what is merely looked at is not touched.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

import numpy as np
import torch

from ..training.data.generators import own_generators
from .bindings import ABSENT, Attributes, ClassAttributes, SlotAttributes
from .fingerprint import bits
from .openings import CONTAINERS, is_generator
from .reach import Found, Place

__all__ = ["Kept", "keep", "size_of"]

_LARGE = 16 << 20
_OPEN = (Attributes, ClassAttributes, SlotAttributes)


class Kept(Protocol):
    """One thing as it was."""

    def put_back(self, leave: Collection[str]) -> None:
        """Make it so again, except what belongs to one of these names."""
        ...


def size_of(found: Found) -> int:
    """The bytes that keeping it takes; large data is not kept, since nobody writes to it."""
    thing = found.thing
    if isinstance(thing, torch.Tensor):
        nbytes = thing.numel() * thing.element_size() if thing.layout == torch.strided else 0
    elif isinstance(thing, np.ndarray):
        nbytes = thing.nbytes
    else:
        return 0
    return 0 if found.data and nbytes > _LARGE else nbytes


def keep(found: Found) -> Iterator[Kept]:
    """All that must be kept of this one thing."""
    thing, owner = found.thing, found.owner.name if found.owner else ""
    for place in found.places:
        yield _Bindings(place)
    if isinstance(thing, torch.Tensor):
        if not (thing.is_quantized or thing.is_meta) and size_of(found) <= thing.numel() * thing.element_size():
            yield from _keep_tensor(found, thing, owner)
    elif isinstance(thing, np.ndarray):
        if thing.flags.writeable and size_of(found) == thing.nbytes:
            yield _Array(thing, owner)
    elif isinstance(thing, CONTAINERS):
        yield _Container(thing, owner)
    elif is_generator(thing):
        yield from (_Generator(source.get(), source.set, owner) for source in own_generators(thing))


def _keep_tensor(found: Found, tensor: torch.Tensor, owner: str) -> Iterator[Kept]:
    if tensor.layout == torch.strided and (not tensor.numel() or size_of(found)):
        yield _Tensor(tensor, [tensor.detach()], owner)
    elif tensor.layout == torch.sparse_coo:
        alias = tensor.detach()
        yield _Tensor(tensor, [alias._indices(), alias._values()], owner)


class _Bindings:
    def __init__(self, place: Place) -> None:
        self._path, self._bindings, self._slots = place
        self._known = {slot.name for slot in place.slots}

    def put_back(self, leave: Collection[str]) -> None:
        for slot in self._slots:
            left = slot.owner is not None and slot.owner.name in leave
            if not left and self._bindings.get(slot.name) is not slot.value:
                self._bindings.put(slot.name, slot.value)
        if isinstance(self._bindings, _OPEN):
            for name in self._bindings.names():
                if name not in self._known and f"{self._path}.{name}" not in leave:
                    self._bindings.put(name, ABSENT)


class _Tensor:
    """A tensor by its own memory, what was in it, and what hangs on it."""

    def __init__(self, tensor: torch.Tensor, memory: list[torch.Tensor], owner: str) -> None:
        self._tensor = tensor
        self._alias = tensor.detach()
        # On the CPU, so that the check takes no memory of the GPU.
        self._memory = [(one, one.to("cpu", copy=True)) for one in memory]
        self._leaf, self._requires = tensor.is_leaf, tensor.requires_grad
        self._grad = tensor.grad if tensor.is_leaf else None
        self._owner = owner

    def put_back(self, leave: Collection[str]) -> None:
        if self._owner in leave:
            return
        tensor = self._tensor
        with torch.no_grad():
            for memory, saved in self._memory:
                if not torch.equal(bits(memory), bits(saved)):
                    # Through `.data`, which does not count as a change for graphs that are still to be used.
                    memory.data.copy_(saved)
            if self._leaf and not tensor.is_leaf:
                tensor.detach_()
            if self._moved():
                tensor.data = self._alias
        if self._leaf:
            if tensor.requires_grad != self._requires:
                tensor.requires_grad_(self._requires)
            if tensor.grad is not self._grad:
                tensor.grad = self._grad

    def _moved(self) -> bool:
        now, alias = self._tensor, self._alias
        if now.layout != torch.strided or alias.layout != torch.strided:
            return True
        looks = [
            (one.data_ptr(), one.dtype, one.device, one.shape, one.stride(), one.storage_offset())
            for one in (now, alias)
        ]
        return looks[0] != looks[1]


class _Array:
    def __init__(self, array: np.ndarray[Any, Any], owner: str) -> None:
        self._array, self._saved, self._owner = array, array.copy(), owner

    def put_back(self, leave: Collection[str]) -> None:
        if self._owner not in leave and (self._array.dtype.hasobject or self._differs()):
            np.copyto(self._array, self._saved)

    def _differs(self) -> bool:
        return self._array.tobytes() != self._saved.tobytes()


class _Generator:
    def __init__(self, state: Any, put: Callable[[Any], None], owner: str) -> None:
        self._state, self._put, self._owner = state, put, owner

    def put_back(self, leave: Collection[str]) -> None:
        if self._owner not in leave:
            self._put(self._state)


class _Container:
    """A list, dict, set, deque or bytearray: the very same things in the same order."""

    def __init__(self, container: Any, owner: str) -> None:
        self._container, self._owner = container, owner
        self._saved = _copy(container)

    def put_back(self, leave: Collection[str]) -> None:
        if self._owner not in leave and not _same(_copy(self._container), self._saved):
            _refill(self._container, self._saved)


def _copy(container: Any) -> list[Any]:
    """What is in it, without asking methods that a subclass may have replaced."""
    if isinstance(container, dict):
        return [part for pair in _kind(container).items(container) for part in pair]
    return list(container)


def _kind(container: dict[Any, Any]) -> Any:
    """An ordered dict keeps its order beside the dict that it is."""
    return OrderedDict if isinstance(container, OrderedDict) else dict


def _same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _refill(container: Any, saved: list[Any]) -> None:
    if isinstance(container, dict):
        kind = _kind(container)
        kind.clear(container)
        for key, value in zip(saved[::2], saved[1::2], strict=True):
            kind.__setitem__(container, key, value)
    elif isinstance(container, set):
        set.clear(container)
        set.update(container, saved)
    elif isinstance(container, (list, bytearray)):
        container[:] = saved
    elif isinstance(container, deque):
        deque.clear(container)
        deque.extend(container, saved)
