"""The event files of the Trainer's own TensorBoard callback: on each VM in the same folder, and as they were.

The callback names its folder by the date and the machine unless it is told one, so after a restart the name that it
chose first is given to it. What it writes when a training begins it has written before, and what lost steps had written
they write again: both are gone when the training goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import DamagedCheckpoint
from ...training.objects.logs import EventFilesPart, is_event_writer
from .. import files

__all__ = ["Boards"]


class Boards:
    """Those of one trainer, in the order of its callbacks."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._parts: list[EventFilesPart] = []
        self._writers: list[Any] = []

    def begin(self) -> None:
        """The callbacks have their writers now, and have written to them."""
        writers = [callback.tb_writer for callback in self._callbacks() if is_event_writer(callback.tb_writer)]
        known = dict(zip(map(id, self._writers), self._parts, strict=True))
        self._parts = [known.get(id(writer)) or EventFilesPart(writer) for writer in writers]
        self._writers = writers

    def state_dict(self) -> dict[str, Any]:
        """Where the files lie and what is in them."""
        return {"folders": [self._folder(one) for one in self._callbacks()], "files": [p.state() for p in self._parts]}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Put it back; callbacks that have no folder yet are given theirs."""
        for callback, folder in zip(self._callbacks(), saved["folders"], strict=False):
            if folder is not None and callback.logging_dir is None:
                callback.logging_dir = str(files.inside(Path(self._trainer.args.output_dir), folder))
        for part, its in zip(self._parts, saved["files"], strict=False):
            if lines := part.differences(its):
                raise DamagedCheckpoint("; ".join(lines), hint="use an older checkpoint")
            part.load(its)

    def _callbacks(self) -> Iterator[Any]:
        for callback in self._trainer.callback_handler.callbacks:
            if hasattr(callback, "tb_writer") and hasattr(callback, "logging_dir"):
                yield callback

    def _folder(self, callback: Any) -> str | None:
        """Inside of the Trainer's own folder; None where the user has chosen another place."""
        here, output = callback.logging_dir, Path(self._trainer.args.output_dir)
        return Path(here).relative_to(output).as_posix() if here and Path(here).is_relative_to(output) else None
