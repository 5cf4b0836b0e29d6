"""The loader that Lightning Fabric makes of a torch one: it moves batches to a device, and tells samplers the epoch.

Batches of the run come from the loader inside, so that they can be skipped and seeded; what Fabric does is done to them
afterwards, by Fabric's own means. It counts passes in the process, where a restart begins at 0 again; so what samplers
are told is the number of the run's epoch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ...errors import UsageError

__all__ = ["inside_fabric"]

_FABRICS = "_FabricDataLoader"


def inside_fabric(loader: Any, epoch: int | None) -> tuple[Any, Callable[[Any], Any]]:
    """The loader to draw from in this epoch, and what becomes of its batches; for any other the loader itself.

    `epoch` is None outside of `run.epochs`.
    """
    if type(loader).__name__ != _FABRICS:
        return loader, _as_it_is
    inside = loader._dataloader
    if samplers := _told_the_epoch(inside):
        if epoch is None:
            raise UsageError(
                f"Fabric tells {type(samplers[0]).__qualname__} the number of each pass, which nobody knows after a "
                "restart",
                hint="draw from this loader inside `for epoch in run.epochs(n)`",
            )
        for sampler in samplers:
            sampler.set_epoch(epoch)
    if loader.device is None:
        return inside, _as_it_is
    move = vars(sys.modules[type(loader).__module__])["move_data_to_device"]
    return inside, lambda batch: move(batch, loader.device)


def _told_the_epoch(loader: Any) -> list[Any]:
    found = [getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None)]
    by_address = {id(sampler): sampler for sampler in found if callable(getattr(sampler, "set_epoch", None))}
    return list(by_address.values())


def _as_it_is(batch: Any) -> Any:
    return batch
