"""Who draws from `run.batches`. Code that owns its loop counts batches and epochs by itself: a restart that begins in
the middle of a pass makes it count wrong, and it would train on, on other batches, and nobody would notice."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import Any

from ..errors import UsageError

__all__ = ["owner_of_loop", "passes_on", "refused"]

_ATTACHED = ("keras", "lightning.pytorch", "pytorch_lightning", "transformers")
_OTHERS = (
    *("catalyst", "composer", "detectron2", "fastai", "ignite", "mmengine", "poutyne", "pytorch_metric_learning"),
    *("sentence_transformers", "skorch", "torchtnt"),
)
_PASS_ON = (
    *("accelerate", "alive_progress", "fastprogress", "lightning.fabric", "lightning_fabric", "rich", "torch", "tqdm"),
)
"""They draw when their own caller asks them, and hand on each item as it comes."""


def owner_of_loop(frame: FrameType | None) -> str:
    """The package whose loop draws, from this frame on outwards; empty if it is the user's own, or one of ours."""
    while frame is not None and passes_on(frame):
        frame = frame.f_back
    return _package(frame, (*_ATTACHED, *_OTHERS)) if frame is not None else ""


def passes_on(frame: FrameType) -> bool:
    """Whether this is code of a bar or a wrapper, which has one turn for each of what it draws from."""
    return bool(_package(frame, _PASS_ON))


def refused(owner: str) -> Iterator[Any]:
    """What it gets to draw from: a `UsageError` at its first batch. Any earlier, Lightning's clean-up hides it."""
    attach = "give it the loader itself, and attach what trains before that: run.attach(...)"
    by_hand = "write the loop with run.epochs and run.batches; or mirror its own checkpoints: run.folder(...)"
    raise UsageError(
        f"{owner} draws from run.batches, and counts what it has drawn by itself: after a restart it would count wrong",
        hint=attach if owner in _ATTACHED else by_hand,
    )
    yield


def _package(frame: FrameType, packages: tuple[str, ...]) -> str:
    module = f"{frame.f_globals.get('__name__', '')}."
    return next((package for package in packages if module.startswith(f"{package}.")), "")
