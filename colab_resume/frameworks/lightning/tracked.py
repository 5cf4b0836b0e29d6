"""The objects of a training with the Trainer that change while it runs, each under a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from ..callbacks import by_kind

__all__ = ["things_of"]


def things_of(trainer: Any) -> dict[str, Any]:
    """Those that there are when its loop begins: the model, what callbacks hold beside it, and what steps."""
    things = {"model": trainer.lightning_module}
    things.update(_numbered("kept", _kept_by_callbacks(trainer)))
    things.update(_numbered("optimizer", trainer.optimizers))
    things.update(_numbered("scheduler", [config.scheduler for config in trainer.lr_scheduler_configs]))
    if (scaler := getattr(trainer.precision_plugin, "scaler", None)) is not None:
        things["scaler"] = scaler
    if trainer.datamodule is not None:
        things["datamodule"] = trainer.datamodule
    return things


def _kept_by_callbacks(trainer: Any) -> Iterator[torch.nn.Module]:
    """Averaged weights and the like."""
    known = {id(module) for module in trainer.lightning_module.modules()}
    for _, callback in by_kind(trainer.callbacks):
        for value in vars(callback).values():
            if isinstance(value, torch.nn.Module) and id(value) not in known:
                known.add(id(value))
                yield value


def _numbered(name: str, things: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for number, thing in enumerate(things, 1):
        yield name if number == 1 else f"{name}_{number}", thing
