"""Callbacks that tell a service what the Trainer logs, as the one of Weights & Biases does.

A service takes no word back, and a new VM begins a new run there. So each entry of the Trainer's log is told once in
each of its runs: a run that has just begun is told those of the lives before first, and what lost steps have told
already is not told again, for it is the same. The newest run has every point, and none twice.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Any

__all__ = ["Retelling"]


class Retelling:
    """For the callbacks of one trainer."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    def meet(self) -> None:
        """From now on what is logged goes to them by here."""
        for callback in self._trainer.callback_handler.callbacks:
            if hasattr(callback, "_wandb") and "on_log" not in vars(callback):
                callback.on_log = _each_once(callback, callback.on_log)


def _each_once(callback: Any, tell: Callable[..., Any]) -> Callable[..., Any]:
    told, run = 0, None

    @wraps(tell)
    def on_log(args: Any, state: Any, control: Any, **others: Any) -> None:
        nonlocal told, run
        if (now := callback._wandb.run) is not run or now is None:
            told = 0
        for entry in state.log_history[told:-1]:
            then = copy(state)
            then.global_step = entry["step"]
            logs = {name: value for name, value in entry.items() if name != "step"}
            tell(args, then, control, **{**others, "logs": logs})
        if len(state.log_history) > told:
            tell(args, state, control, **others)
            told = len(state.log_history)
        run = callback._wandb.run

    return on_log
