"""Shallow copies of the user's `DataLoader`s, which are never touched themselves."""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable
from types import MethodType
from typing import Any, TypeGuard

import torch
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data.dataloader import _BaseDataLoaderIter

from ...errors import UsageError

__all__ = ["draws_from_another", "options_of", "shallow_copy", "tell_worker"]

_RUNNING = ("_iterator", "_IterableDataset_len_called", "_initial_iter_for_state_dict", "next_iter_state")
"""What a loader notes about its own iterations; not what it was told to do."""


class _WorkerStart:
    """The user's `worker_init_fn`, which finds the dataset it knows where it looks for it."""

    def __init__(self, user: Callable[[int], object] | None) -> None:
        self._user = user

    def __call__(self, worker: int) -> None:
        # Ctrl-C reaches all processes of a terminal or a kernel. Here the main process decides: at the end of its step.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        info = get_worker_info()
        if info is not None:
            tell_worker(info, dataset=info.dataset.data)  # type: ignore[attr-defined]
        if self._user is not None:
            self._user(worker)


def tell_worker(info: Any, **facts: Any) -> None:
    """Correct what `get_worker_info()` says in this worker; it is read-only for users."""
    for name, value in facts.items():
        object.__setattr__(info, name, value)


def _as_made(data: Any) -> Any:
    """The collate function of every copied loader: the batch was collated where it was seeded."""
    return data


def draws_from_another(loader: DataLoader[Any]) -> bool:
    """Whether it is a wrapper around another loader: a copy of it would give out what that one draws."""
    return any(isinstance(value, DataLoader) for value in vars(loader).values())


def options_of(loader: DataLoader[Any]) -> dict[str, Any]:
    """What it was told to do; some of it may be changed between two passes. Of its own methods only what they do."""
    return {
        name: value.__func__ if _is_method_of(loader, value) else value
        for name, value in vars(loader).items()
        if name not in _RUNNING
    }


def _is_method_of(loader: object, value: Any) -> TypeGuard[MethodType]:
    return isinstance(value, MethodType) and value.__self__ is loader


def shallow_copy(loader: DataLoader[Any], data: Callable[[Callable[[Any], Any]], Any], **parts: Any) -> DataLoader[Any]:
    """The same loader over what `data` makes of its collate function, from where the batches come collated.

    The user's dataset must be there under the name `data`.
    """
    _refuse_running(loader)
    twin = copy.copy(loader)
    # DataLoader.__setattr__ refuses some of these names after construction; the copy's own dict is ours to write.
    vars(twin).update(parts)
    vars(twin).update(
        dataset=data(_let_go(loader.collate_fn, loader)),
        collate_fn=_as_made,
        worker_init_fn=_WorkerStart(_let_go(loader.worker_init_fn, loader)),
        # A loader without a generator draws its workers' base seed from the global one, now and then twice.
        generator=torch.Generator(),
        _iterator=None,
    )
    if "in_order" in vars(twin):
        # Batches in the order in which they happen to be ready would be another training each time.
        vars(twin)["in_order"] = True
    return twin


def _let_go(function: Any, loader: DataLoader[Any]) -> Any:
    """A method of the loader's own would keep the loader alive for as long as its copy lives."""
    if not _is_method_of(loader, function):
        return function
    stand_in = copy.copy(loader)
    for name, value in vars(loader).items():
        if _is_method_of(loader, value):
            vars(stand_in)[name] = MethodType(value.__func__, stand_in)
    vars(stand_in)["_iterator"] = None
    return MethodType(function.__func__, stand_in)


def _refuse_running(loader: DataLoader[Any]) -> None:
    kind = type(loader).__qualname__
    if getattr(loader, "next_iter_state", None) is not None:
        raise UsageError(
            f"this {kind} was told by load_state_dict() where to go on, and run.batches() knows it too",
            hint="leave out load_state_dict(): run.batches() goes on where the run stopped",
        )
    kept = [name for name, value in options_of(loader).items() if isinstance(value, _BaseDataLoaderIter)]
    if kept:
        raise UsageError(
            f"this {kind} keeps one iterator for all its passes ({kept[0]!r}): after a restart nobody would know "
            "where that was",
            hint="use torch.utils.data.DataLoader with persistent_workers=True, which keeps its workers as well",
        )
