"""Logs that a training writes itself, as tracked objects: an open file, and the event files of a TensorBoard writer.

The promise: where the training goes on, its log has what it had at that boundary, byte for byte. So what lost steps had
logged is gone before they log it again, what was logged before is there on a new VM as well, and it does not matter
which numbers the steps were logged under. Nothing but files of the training's own is touched.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from ...errors import UsageError
from .grown import GrowingFile

__all__ = ["EventFilesPart", "OpenFilePart", "is_event_writer", "is_open_file", "leads_out"]

_NAME = "events.out.tfevents.*"


def is_open_file(thing: Any) -> bool:
    """Whether this is what `open` gives for a file on the disk, to write to."""
    raw = _raw(thing)
    named = isinstance(raw, io.FileIO) and isinstance(raw.name, str | bytes | os.PathLike)
    return named and not thing.closed and thing.writable() and Path(os.fsdecode(raw.name)).is_file()


def is_event_writer(thing: Any) -> bool:
    """Whether this is the `SummaryWriter` of `torch.utils.tensorboard`, or one that is made of it."""
    kinds = type(thing).__mro__
    return any(kind.__module__.startswith("torch.utils.tensorboard") for kind in kinds)


def leads_out(names: Any) -> list[str]:
    """A line for each of these names that is none inside of a folder."""
    return [f"file name {name!r} leads out of its folder" for name in names if not _is_inside(name)]


def _is_inside(name: Any) -> bool:
    path = Path(name) if isinstance(name, str) else Path("..")
    return not path.is_absolute() and ".." not in path.parts


class OpenFilePart:
    """A file that is open for writing: `open("log.csv", "a")`."""

    kind = "open file"

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._file = GrowingFile(Path(os.fsdecode(_raw(stream).name)).absolute())

    def state(self) -> Any:
        """What was written to it."""
        if not self._stream.closed:
            self._stream.flush()
        return {"content": self._file.taken()}

    def differences(self, saved: Any) -> list[str]:  # noqa: ARG002 - whatever it held, it can hold
        return []

    def load(self, saved: Any) -> None:
        """Let it hold that again; what is written next comes after it."""
        if not self._stream.closed:
            self._stream.flush()
        self._file.put(saved["content"])
        if not self._stream.closed:
            self._stream.seek(0, os.SEEK_END)


class EventFilesPart:
    """The event files of one `SummaryWriter`, in its folder and in those that `add_scalars` makes.

    They are known by a mark at the end of their names. A writer that is closed opens a new file when something is added
    to it, and so it does after each restart.
    """

    kind = "event files"

    def __init__(self, writer: Any) -> None:
        folder = str(writer.get_logdir())
        if "://" in folder:
            raise UsageError(
                f"the writer's folder is {folder}, and a log can be kept only where it lies on this machine's disk",
                hint="give SummaryWriter a folder here; it is on every new VM again",
            )
        self._writer = writer
        self._folder = Path(folder).absolute()
        self._folders = {self._folder}
        self._suffix = writer.filename_suffix
        self._files: dict[Path, GrowingFile] = {}
        self._mark = f".{uuid4().hex[:8]}"
        self._adopt()

    def _adopt(self) -> None:
        """From now on all of the writer's files have the mark, and so have those that it has open."""
        opened = [Path(one.event_writer._file_name).absolute() for one in (self._writer.all_writers or {}).values()]
        self._close(self._mark)
        for path in opened:
            path.rename(path.with_name(path.name + self._mark))

    def _close(self, mark: str) -> None:
        self._note_folders()
        self._writer.close()
        self._mark = mark
        self._writer.filename_suffix = self._suffix + mark

    def _note_folders(self) -> None:
        self._folders |= {Path(folder).absolute() for folder in self._writer.all_writers or ()}

    def _own(self) -> Iterator[Path]:
        for folder in sorted(self._folders):
            yield from sorted(folder.glob(f"{_NAME}{self._mark}"))

    def state(self) -> Any:
        """What is in the files."""
        self._writer.flush()
        self._note_folders()
        files = {path: self._files.get(path) or GrowingFile(path) for path in self._own()}
        self._files = files
        return {"mark": self._mark, "files": {self._name(path): file.taken() for path, file in files.items()}}

    def differences(self, saved: Any) -> list[str]:
        return leads_out(saved["files"])

    def load(self, saved: Any) -> None:
        """Let the files hold what they held; those that were begun later are gone."""
        then: Mapping[str, list[bytes]] = saved["files"]
        files = {self._folder / name: pieces for name, pieces in then.items()}
        begun = list(self._own())
        self._close(saved["mark"])
        # Lost steps may have begun files in folders that nobody here has heard of.
        self._folders |= {path.parent for path in (*files, *self._folder.glob(f"*/{_NAME}{self._mark}"))}
        for path in {*begun, *self._own()} - files.keys():
            path.unlink()
        self._files = {path: GrowingFile(path) for path in files}
        for path, file in self._files.items():
            file.put(files[path])

    def _name(self, path: Path) -> str:
        return Path(os.path.relpath(path, self._folder)).as_posix()


def _raw(thing: Any) -> Any:
    """The file itself, below what buffers it and what turns text into bytes."""
    if isinstance(thing, io.TextIOWrapper):
        thing = thing.buffer
    return thing.raw if isinstance(thing, io.BufferedWriter | io.BufferedRandom) else thing
