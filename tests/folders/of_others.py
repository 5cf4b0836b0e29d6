"""Trainings of frameworks that write their checkpoints themselves, as their manuals do it: Ignite, skorch, detectron2.

Without chance in them: what these frameworks keep is enough for that, so a training that goes on ends with the weights
of one that was not killed if, and only if, the folder came back as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

__all__ = ["BESIDE", "TRAININGS"]

BESIDE = Path(__file__).parents[2] / ".venv" / "others"
"""Where those lie that would disturb the other packages."""

_X = torch.linspace(-1, 1, 32 * 4).reshape(32, 4)
_Y = _X.sum(1, keepdim=True).sin()

Saved = Callable[[int], None]


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))


def _weights(net: nn.Module) -> list[float]:
    return torch.cat([part.detach().flatten() for part in net.parameters()]).tolist()


def ignite(folder: Path, epochs: int, saved: Saved) -> list[float]:
    """Its `Checkpoint` handler with a `DiskSaver`; the newest file is loaded, as its manual shows it."""
    from ignite.engine import Events, create_supervised_trainer
    from ignite.handlers import Checkpoint, DiskSaver

    net = _net()
    opt = torch.optim.Adam(net.parameters(), 1e-2)
    trainer = create_supervised_trainer(net, opt, nn.functional.mse_loss)
    parts = {"net": net, "opt": opt, "trainer": trainer}
    keeper = Checkpoint(parts, DiskSaver(str(folder), create_dir=True, require_empty=False), n_saved=2)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, keeper)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: saved(trainer.state.epoch))
    files = sorted(folder.glob("checkpoint_*.pt"), key=lambda path: int(path.stem.rpartition("_")[2]))
    if files:
        Checkpoint.load_objects(parts, torch.load(files[-1]))
    trainer.run([(_X[:16], _Y[:16]), (_X[16:], _Y[16:])], max_epochs=epochs)
    return _weights(net)


def skorch(folder: Path, epochs: int, saved: Saved) -> list[float]:
    """Its `Checkpoint` callback with `LoadInitState`."""
    sys.path.append(str(BESIDE))
    from skorch import NeuralNetRegressor
    from skorch.callbacks import Callback, Checkpoint, LoadInitState

    class Ends(Callback):  # type: ignore[misc]
        def on_epoch_end(self, net: Any, **_: Any) -> None:
            saved(len(net.history))

    keeper = Checkpoint(dirname=str(folder), monitor=None)
    net = NeuralNetRegressor(
        _net(),
        optimizer=torch.optim.Adam,
        lr=1e-2,
        batch_size=16,
        train_split=None,
        verbose=0,
        callbacks=[keeper, LoadInitState(keeper), Ends()],
    )
    net.initialize()
    done = folder / "history.json"
    if done.exists():
        net.load_params(checkpoint=keeper)
    for _ in range(len(net.history), epochs):
        net.partial_fit(_X.numpy(), _Y.numpy(), epochs=1)
    return _weights(net.module_)


def detectron2(folder: Path, epochs: int, saved: Saved) -> list[float]:
    """Its loop and its two checkpointers, which are fvcore's; it has no wheel to be tried with."""
    sys.path.append(str(BESIDE))
    from fvcore.common.checkpoint import Checkpointer, PeriodicCheckpointer

    net = _net()
    opt = torch.optim.Adam(net.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.StepLR(opt, 2)
    folder.mkdir(parents=True, exist_ok=True)  # so does detectron2, before it makes anything else
    checkpointer = Checkpointer(net, str(folder), optimizer=opt, scheduler=schedule)
    first = checkpointer.resume_or_load("", resume=True).get("iteration", -1) + 1
    periodic = PeriodicCheckpointer(checkpointer, period=1, max_iter=epochs, max_to_keep=2)
    for iteration in range(first, epochs):
        opt.zero_grad()
        nn.functional.mse_loss(net(_X), _Y).backward()
        opt.step()
        schedule.step()
        periodic.step(iteration)
        saved(iteration + 1)
    return _weights(net)


TRAININGS: tuple[Callable[[Path, int, Saved], list[float]], ...] = (ignite, skorch, detectron2)
