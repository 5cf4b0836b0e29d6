"""The tensors in a state, each under the dotted name that leads to it: `model.conv.weight`.

A tensor that is reachable by two names is written under both: the format has no other way to say it. Arrays whose type
the format has are written as tensors; all other values are counted and left out.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from ..checkpoints.digest import digest_of
from ..checkpoints.encoding.layout import ARRAY_NAMES, TENSOR_NAMES
from ..checkpoints.pack import Slab
from ..errors import EncodingError, UsageError

__all__ = ["slabs_of"]

_MOST_VALUES = 1_000_000
_DEEPEST = 200
_OTHER_FORMAT = "export to a .pt file, or choose other parts with --part"


def slabs_of(states: Mapping[str, Any], *, bare: bool) -> tuple[list[Slab], Mapping[str, int]]:
    """The tensors, and how many other values each part has; `bare` names do not begin with the part's."""
    slabs: dict[str, Slab] = {}
    others: Counter[str] = Counter()
    for part, state in states.items():
        # All names first: a state that is refused for its size should cost no copies of its tensors.
        for name, value in list(_leaves(part, "" if bare else part, state)):
            tensor = _as_tensor(value)
            if tensor is None:
                others[part] += 1
            elif name in slabs:
                raise EncodingError(f"two tensors would be called {name!r}", hint=_OTHER_FORMAT)
            else:
                slabs[name] = _slab(name, tensor)
    if not slabs:
        raise UsageError(f"there is no tensor in {', '.join(states)}", hint=_OTHER_FORMAT)
    return list(slabs.values()), others


def _leaves(part: str, name: str, state: Any) -> Iterator[tuple[str, Any]]:
    """In order. What is shared is walked as often as it is reachable, so a small hostile tree could be endless."""
    waiting, seen = [(name, state, 0)], 0
    while waiting:
        name, value, depth = waiting.pop()
        seen += 1
        if seen > _MOST_VALUES or depth > _DEEPEST:
            what = f"{part} holds more than {_MOST_VALUES} values, or nests them deeper than {_DEEPEST}"
            raise EncodingError(what, hint=_OTHER_FORMAT)
        if isinstance(value, dict):
            items: Iterable[tuple[Any, Any]] = value.items()
        elif isinstance(value, list | tuple | deque | set | frozenset) and not isinstance(value, torch.Size):
            items = enumerate(value)
        else:
            yield name or "value", value
            continue
        waiting += [(f"{name}.{key}" if name else str(key), item, depth + 1) for key, item in items][::-1]


def _as_tensor(value: Any) -> torch.Tensor | None:
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, np.ndarray) and value.dtype.newbyteorder("<").str in ARRAY_NAMES:
        return torch.from_numpy(np.array(value, dtype=value.dtype.newbyteorder("=")))
    return None


def _slab(name: str, tensor: torch.Tensor) -> Slab:
    dtype = TENSOR_NAMES.get(tensor.dtype)
    if dtype is None:
        kind = str(tensor.dtype).removeprefix("torch.")
        raise EncodingError(f"{name} is {kind}, which a safetensors file cannot hold", hint=_OTHER_FORMAT)
    data: Any = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    return Slab(name, dtype, tuple(tensor.shape), memoryview(data), digest_of(data))
