"""Wrappers around loaders that are known: those of Lightning Fabric and of Accelerate, and the bars of tqdm.

Batches of the run come from the loader inside, so that they can be skipped and seeded; what the wrapper does is done to
them afterwards, by its own means. Fabric and Accelerate count passes in the process, where a restart begins at 0 again;
so what samplers are told is the number of the run's epoch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch

from ...errors import UsageError

__all__ = ["Inside", "inside", "make_generator"]

_FABRICS, _ACCELERATES, _TQDMS = "_FabricDataLoader", "DataLoaderAdapter", "tqdm"


class Inside:
    """The loader to draw from, and how what is drawn gets to the training; of one that is not wrapped, itself."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def begin(self) -> None:
        """A pass begins, or goes on where the run stopped."""

    def pass_over(self, count: int) -> None:
        """So many batches of this pass were there before."""

    def comes_last(self) -> None:
        """The next batch is known to be the last one."""

    def finished(self, batch: Any) -> Any:
        """What becomes of a batch."""
        return batch

    def end(self) -> None:
        """The pass is over, or was left."""


class _InsideFabric(Inside):
    def __init__(self, wrapper: Any, epoch: int | None) -> None:
        super().__init__(wrapper._dataloader)
        self._move = _function_beside(wrapper, "move_data_to_device")
        self._device = wrapper.device
        _tell("Fabric", self.loader, epoch)

    def finished(self, batch: Any) -> Any:
        return batch if self._device is None else self._move(batch, self._device)


class _InsideAccelerate(Inside):
    """With the last batch its optimizers step, however little was accumulated: so it must know of it."""

    def __init__(self, wrapper: Any, epoch: int | None) -> None:
        super().__init__(wrapper.base_dataloader)
        self._wrapper = wrapper
        self._move = _function_beside(wrapper, "send_to_device")
        for sampler in _told_the_epoch(self.loader):
            make_generator(sampler)
        _tell("Accelerate", self.loader, epoch)

    def begin(self) -> None:
        self._wrapper.begin()

    def comes_last(self) -> None:
        self._wrapper.end_of_dataloader = True

    def finished(self, batch: Any) -> Any:
        return batch if self._wrapper.device is None else self._move(batch, self._wrapper.device)

    def end(self) -> None:
        self._wrapper.end()


class _InsideBar(Inside):
    """It moves on when the training asks for the next batch, as tqdm's own loop does."""

    def __init__(self, bar: Any, within: Inside) -> None:
        super().__init__(within.loader)
        self._bar = bar
        self._within = within
        self._in_hand = 0

    def begin(self) -> None:
        self._within.begin()

    def pass_over(self, count: int) -> None:
        self._bar.initial = self._bar.n = count
        self._bar.refresh()

    def comes_last(self) -> None:
        self._within.comes_last()

    def finished(self, batch: Any) -> Any:
        self._bar.update(self._in_hand)
        self._in_hand = 1
        return self._within.finished(batch)

    def end(self) -> None:
        self._bar.update(self._in_hand)
        self._bar.close()
        self._within.end()


def inside(loader: Any, epoch: int | None) -> Inside:
    """What is inside of this loader; `epoch` is None outside of `run.epochs`."""
    names = {kind.__name__ for kind in type(loader).__mro__}
    if _FABRICS in names:
        return _InsideFabric(loader, epoch)
    if _ACCELERATES in names and hasattr(loader, "base_dataloader"):
        return _InsideAccelerate(loader, epoch)
    if _TQDMS in names and getattr(loader, "iterable", None) is not None:
        return _InsideBar(loader, inside(loader.iterable, epoch))
    return Inside(loader)


def make_generator(sampler: Any) -> None:
    """Accelerate's sampler makes itself a generator in its first pass, seeded by the number of that pass; so what the
    seeds of later passes are derived from would depend on where a restart was."""
    seed = getattr(sampler, "initial_seed", None)
    if isinstance(seed, int) and getattr(sampler, "generator", False) is None:
        sampler.generator = torch.Generator().manual_seed(seed)


def _tell(who: str, loader: Any, epoch: int | None) -> None:
    samplers = _told_the_epoch(loader)
    if samplers and epoch is None:
        raise UsageError(
            f"{who} tells {type(samplers[0]).__qualname__} the number of each pass, which nobody knows after a restart",
            hint="draw from this loader inside `for epoch in run.epochs(n)`",
        )
    for sampler in samplers:
        sampler.set_epoch(epoch)


def _told_the_epoch(loader: Any) -> list[Any]:
    found = [getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None)]
    by_address = {id(sampler): sampler for sampler in found if callable(getattr(sampler, "set_epoch", None))}
    return list(by_address.values())


def _function_beside(wrapper: Any, name: str) -> Callable[..., Any]:
    """A function that the wrapper's own module works with."""
    modules = (sys.modules[kind.__module__] for kind in type(wrapper).__mro__)
    found: Callable[..., Any] = next(vars(module)[name] for module in modules if name in vars(module))
    return found
