"""PyTorch's Distributed Checkpoint (DCP): `async_save` in a thread or a process, with each kind of staging."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch.distributed.checkpoint import _async_process_executor as process_executor
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType, AsyncSaveResponse, async_save

from ..training import Training
from .saver import LeftOut, Saver, Way

__all__ = ["DCP_ASYNCHRONOUS", "DCP_CACHED", "DCP_THREAD", "DCP_WAYS"]

# Said once for each save, in whatever thread saves, and true here: there is one process.
warnings.filterwarnings("ignore", message="torch.distributed is disabled")


class _AsyncSave(Saver):
    def __init__(self, training: Training, folder: Path, **options: Any) -> None:
        super().__init__(training, folder)
        self._options = options
        self._staged: Future[None] | None = None
        self._written: Future[Any] | None = None

    def save(self, number: int) -> None:
        answer = async_save(self.training.state(), checkpoint_id=self.folder / str(number), **self._options)
        if isinstance(answer, AsyncSaveResponse):
            self._staged, self._written = answer.staging_completion, answer.upload_completion
        else:
            self._written = answer

    def wait_before_update(self) -> None:
        if self._staged is not None:
            self._staged.result()
            self._staged = None

    def is_busy(self) -> bool:
        if self._written is None or not self._written.done():
            return self._written is not None
        try:
            self._written.result()
        except RuntimeError as error:
            raise LeftOut(f"it failed ({error})") from error
        return False

    def close(self) -> None:
        if self._written is not None:
            wait([self._written])


@contextmanager
def _in_a_thread(training: Training, folder: Path) -> Iterator[Saver]:
    saver = _AsyncSave(training, folder, no_dist=True)
    try:
        yield saver
    finally:
        saver.close()


@contextmanager
def _staged(training: Training, folder: Path, *, asynchronous: bool) -> Iterator[Saver]:
    """Staging memory that is kept from one save to the next."""
    stager = DefaultStager(
        StagingOptions(
            use_pinned_memory=training.on_gpu,
            use_shared_memory=False,
            use_async_staging=asynchronous,
            use_non_blocking_copy=training.on_gpu,
        )
    )
    saver = _AsyncSave(training, folder, async_stager=stager, no_dist=True)
    try:
        yield saver
    finally:
        saver.close()
        stager.close()


@contextmanager
def _in_a_process(training: Training, folder: Path) -> Iterator[Saver]:
    """It needs a process group, here of one process; the process that writes is started by the first save."""
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    saver = _AsyncSave(training, folder, async_checkpointer_type=AsyncCheckpointerType.PROCESS)
    with _nothing_on_stderr():
        try:
            yield saver
        finally:
            saver.close()
            # It is kept for the process's whole life otherwise, and its memory with it.
            process_executor._CHECKPOINT_PROCESS = None
            dist.destroy_process_group()


@contextmanager
def _nothing_on_stderr() -> Iterator[None]:
    """That process reports each request there, in the middle of the bar, and nothing turns it off."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


DCP_THREAD = "DCP async_save, thread"
DCP_CACHED = "DCP async_save, cached staging"
DCP_ASYNCHRONOUS = "DCP async_save, asynchronous staging"
DCP_WAYS: dict[str, Way] = {
    DCP_THREAD: _in_a_thread,
    "DCP async_save, process": _in_a_process,
    DCP_CACHED: partial(_staged, asynchronous=False),
    DCP_ASYNCHRONOUS: partial(_staged, asynchronous=True),
}
