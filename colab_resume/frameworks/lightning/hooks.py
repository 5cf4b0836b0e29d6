"""What the user's own `on_save_checkpoint` puts into a checkpoint of Lightning's, given back to `on_load_checkpoint`.

Both are shown the model's state and the counters that Lightning shows them. What they change of these is nothing to
keep: the run has them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

__all__ = ["UserHooks"]

_LIBRARY = ("lightning", "pytorch_lightning")


class UserHooks:
    """Of the model and the callbacks of one trainer. `due` says whether what is loaded now is loaded for good."""

    def __init__(self, trainer: Any, *, due: Callable[[], bool]) -> None:
        self._trainer = trainer
        self._due = due

    def state_dict(self) -> dict[str, Any]:
        """What is in the checkpoint besides what was in it."""
        checkpoint = self._shown()
        known = set(checkpoint)
        for hook in self._hooks("on_save_checkpoint"):
            hook(checkpoint)
        return {key: value for key, value in checkpoint.items() if key not in known}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Show it to them, once."""
        if self._due():
            checkpoint = {**self._shown(), **saved}
            for hook in self._hooks("on_load_checkpoint"):
                hook(checkpoint)

    def _shown(self) -> dict[str, Any]:
        trainer = self._trainer
        return {
            "epoch": trainer.current_epoch,
            "global_step": trainer.global_step,
            "state_dict": trainer.lightning_module.state_dict(),
            "callbacks": {},
            "loops": {},
            "optimizer_states": [optimizer.state_dict() for optimizer in trainer.optimizers],
            "lr_schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
        }

    def _hooks(self, name: str) -> Iterator[Callable[[dict[str, Any]], None]]:
        trainer, module = self._trainer, self._trainer.lightning_module
        for callback in trainer.callbacks:
            hook = getattr(callback, name, None)
            if callable(hook) and _is_users(hook):
                yield partial(hook, trainer, module)
        if _is_users(hook := getattr(module, name)):
            yield hook


def _is_users(hook: Any) -> bool:
    """Lightning's own callbacks keep nothing there that would not be tracked, and the rest do nothing."""
    return str(hook.__module__).partition(".")[0] not in _LIBRARY
