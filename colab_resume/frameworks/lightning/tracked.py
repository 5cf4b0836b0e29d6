"""The objects of a training with the Trainer that change while it runs, each under a name of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from ..callbacks import by_kind

__all__ = ["kept_by_callbacks", "things_of"]


def things_of(trainer: Any) -> dict[str, Any]:
    """Those that there are when its loop begins: the model, what callbacks hold beside it, and what steps."""
    things = {"model": trainer.lightning_module, **kept_by_callbacks(trainer)}
    things.update(_numbered("optimizer", trainer.optimizers))
    things.update(_numbered("scheduler", [config.scheduler for config in trainer.lr_scheduler_configs]))
    if (scaler := getattr(trainer.precision_plugin, "scaler", None)) is not None:
        things["scaler"] = scaler
    if trainer.datamodule is not None:
        things["datamodule"] = trainer.datamodule
    return things


def kept_by_callbacks(trainer: Any) -> dict[str, torch.nn.Module]:
    """Averaged weights and the like, by who holds them."""
    models = {id(module) for module in trainer.lightning_module.modules()}
    return {
        re.sub(r"\W+", "_", f"{key} {name}"): value
        for key, callback in by_kind(trainer.callbacks)
        for name, value in vars(callback).items()
        if isinstance(value, torch.nn.Module) and id(value) not in models
    }


def _numbered(name: str, things: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for number, thing in enumerate(things, 1):
        yield name if number == 1 else f"{name}_{number}", thing
