"""A mark for what a variable holds: another one says that it has changed. Made within microseconds, of any size.

Whatever has no state of its own that a training would miss has no mark: functions, loaders, bars, figures, writers.
An iterator cannot be asked where it is; a loop that names it draws from it, so it has another mark each time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.data.dataloader import _BaseDataLoaderIter

from ..around import draws_from_a_run
from ..data.generators import source_of
from ..data.users_code import is_users_own
from ..objects.classes import is_simulator
from ..objects.plain import is_plain
from ..objects.steady import TORCHS_OWN
from .carried import read_attributes
from .simulation import Simulation

__all__ = ["holds_weights", "is_a_time", "is_drawn_from", "is_users_object", "mark_of", "variables"]

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
_CONTAINERS = (list, dict, set, deque)
_NO_STATE = (type, DataLoader, Dataset, Sampler)
_ITERATE = ("builtins", "itertools", "_csv")
_ITEMS = 64
_FEW = 16
_SMALL = 1 << 14
_A_WHILE = 1000.0


def variables(name: str, value: Any, covered: Collection[int]) -> Iterator[tuple[str, Any]]:
    """The variable itself, or the attributes of an object of a class of the user's own.

    Such objects in attributes of modules as well, which a module does not keep. `covered`: the identities of what is
    kept already.
    """
    if isinstance(value, torch.nn.Module):
        yield name, value
        for path, part in value.named_modules(prefix=name):
            for attribute in sorted(vars(part).keys() - TORCHS_OWN):
                if is_users_object(inside := vars(part)[attribute]):
                    yield from variables(f"{path}.{attribute}", inside, covered)
    elif not is_users_object(value) or is_simulator(type(value)):
        yield name, value
    elif id(value) not in covered:
        for attribute, part in list(vars(value).items()):
            # A tensor that is only put there is one to look at: `self.last = out`.
            if not isinstance(part, torch.Tensor | np.ndarray) or attribute in read_attributes(type(value)):
                yield f"{name}.{attribute}", part


def mark_of(value: Any, covered: Collection[int], *, deep: int = 2) -> Hashable | None:
    """None for what is not looked at."""
    if isinstance(value, _NO_STATE) or (id(value) in covered and not isinstance(value, _PLAIN)):
        return None
    if isinstance(value, _PLAIN):
        return None if is_a_time(value) else _of_plain(value)
    if is_drawn_from(value):
        return None if draws_from_a_run(value) else object()
    if is_simulator(type(value)):
        return Simulation(value)
    if isinstance(value, torch.Tensor | np.ndarray):
        return _of_memory(value)
    if isinstance(value, torch.nn.Module):
        held = [mark_of(own, covered, deep=1) if not _is_few(own) else own.tolist() for own in _own_values(value)]
        return _of_all([*value.parameters(), *value.buffers()], covered, deep=1), repr(held)
    if isinstance(value, LRScheduler):
        return value.last_epoch
    if isinstance(value, torch.amp.GradScaler):
        return repr(value.state_dict())
    if (source := source_of(value)) is not None:
        state = source.get()
        return state.numpy().tobytes() if isinstance(state, torch.Tensor) else repr(state)
    if isinstance(value, _CONTAINERS) and deep:
        items = value.items() if isinstance(value, dict) else value
        return len(value), _of_all(islice(items, _ITEMS), covered, deep=deep - 1)
    if isinstance(value, tuple) and deep:
        return _of_all(islice(value, _ITEMS), covered, deep=deep)
    if _is_stateful(value) and deep:
        return _of_all(vars(value).values(), covered, deep=deep)
    return None


def holds_weights(value: Any) -> bool:
    """A module, or a container with tensors or arrays among its first items: what people keep of the best epoch."""
    if isinstance(value, dict | list | tuple):
        items = value.values() if isinstance(value, dict) else value
        return any(isinstance(item, torch.Tensor | np.ndarray | torch.nn.Module) for item in islice(items, _ITEMS))
    return isinstance(value, torch.nn.Module)


def is_drawn_from(value: Any) -> bool:
    """Whether it is an iterator over data, as far as one can know: files and cursors of databases are asked for lines,
    too, and are more often written to."""
    kind = type(value)
    if not hasattr(kind, "__next__"):
        return False
    return kind.__module__ in _ITERATE or isinstance(value, _BaseDataLoaderIter) or is_users_own(kind)


def _own_values(module: torch.nn.Module) -> Iterator[Any]:
    """What its parts keep in attributes: metrics of torchmetrics count there."""
    for part in module.modules():
        if not type(part).__module__.startswith("torch."):
            yield from (value for name, value in vars(part).items() if name not in TORCHS_OWN and is_plain(value))


def _is_few(value: Any) -> bool:
    """What is set back to 0 for each epoch is another tensor, and the same as before."""
    return isinstance(value, torch.Tensor) and value.layout is torch.strided and value.numel() <= _FEW


def _of_plain(value: Any) -> Hashable:
    """Its text tells nan from nan, and 1 from True; a long text, which may be all of the data, is not read."""
    return (id(value), len(value)) if isinstance(value, str | bytes) and len(value) > _SMALL else repr(value)


def _of_memory(value: torch.Tensor | np.ndarray[Any, Any]) -> Hashable:
    if isinstance(value, torch.Tensor):
        return id(value), None if value.is_inference() else value._version
    return id(value), value.tobytes() if value.nbytes <= _SMALL and not value.dtype.hasobject else b""


def _of_all(values: Iterable[Any], covered: Collection[int], *, deep: int) -> Hashable:
    return tuple(mark_of(value, covered, deep=deep) for value in values)


def _is_stateful(value: Any) -> bool:
    kind = type(value)
    return hasattr(kind, "state_dict") and hasattr(kind, "load_state_dict") and hasattr(value, "__dict__")


def is_users_object(value: Any) -> bool:
    """Whether it is of a class of the user's own that says nothing of its state."""
    if isinstance(value, torch.nn.Module):
        return False
    if isinstance(value, (*_NO_STATE, *_CONTAINERS, tuple)) or hasattr(type(value), "__next__") or _is_stateful(value):
        return False
    return is_users_own(type(value)) and hasattr(value, "__dict__")


def is_a_time(value: Any) -> bool:
    """What `t0 = time.time()` holds; clocks that count from the start of the machine have counted for a while."""
    clocks = (time.time(), time.perf_counter(), time.monotonic())
    return isinstance(value, float) and value > _A_WHILE and any(0 <= now - value < _A_WHILE for now in clocks)
