"""One folder's place on a remote: `folders/<name>/sets/` and `folders/<name>/files/`, and nothing outside of it.

A set is there once its document is, which is written last and deleted first. Contents are called by digest and size and
are there once; no name is ever used for something else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from io import BytesIO
from typing import Any, BinaryIO, cast

from ..checkpoints.damage import damaged
from ..checkpoints.digest import RunningDigest
from ..errors import CheckpointError, DamagedCheckpoint, NotThere, Overtaken, RemoteUnavailable
from ..remotes import BytesSource, Remote
from .contents import ContentSource
from .sets import BLOB, SET, SET_LIMIT, File, FileSet, next_number

__all__ = ["Shelf"]

_SUFFIX = ".json"


class Shelf:
    """A view of it; `refresh` brings it up to date and reads each document once."""

    def __init__(self, remote: Remote, name: str) -> None:
        self.remote = remote
        self._at = f"folders/{name}"
        self.sets: dict[str, FileSet] = {}
        self.unreadable: dict[str, CheckpointError] = {}
        self.files: dict[str, int] = {}
        """The size of each content that is there; not of those that turned out to be others."""
        self._bad: set[str] = set()

    @property
    def confirms(self) -> bool:
        """Whether what was put is safe."""
        return self.remote.confirms

    def refresh(self) -> None:
        """List what is there. Sets are listed before files, so that one just being sent is seen whole or not at all."""
        names = {_base(entry.name): entry for entry in self.remote.list(f"{self._at}/sets")}
        listed = {name.removesuffix(_SUFFIX): entry for name, entry in names.items() if name.endswith(_SUFFIX)}
        files = {_base(entry.name): entry.size for entry in self.remote.list(f"{self._at}/files")}
        sets = {name: found for name, found in self.sets.items() if name in listed}
        unreadable: dict[str, CheckpointError] = {}
        for name in listed.keys() - sets.keys():
            if SET.fullmatch(name):
                try:
                    sets[name] = self._read(name, listed[name].size)
                except CheckpointError as error:
                    unreadable[name] = error
        self.sets, self.unreadable = sets, unreadable
        self.files = {name: size for name, size in files.items() if BLOB.fullmatch(name)}

    def _read(self, name: str, size: int) -> FileSet:
        if size > SET_LIMIT:
            raise damaged(f"The list of set {name}", f"it has {size} bytes")
        try:
            return FileSet.from_bytes(self._content(name), name)
        except DamagedCheckpoint:  # the way here may be to blame
            return FileSet.from_bytes(self._content(name), name)

    def _content(self, name: str) -> bytes:
        sink = BytesIO()
        try:
            self.remote.get(f"{self._at}/sets/{name}{_SUFFIX}", sink)
        except NotThere as error:
            raise DamagedCheckpoint(error.what, hint=error.hint) from error
        return sink.getvalue()

    @property
    def next_number(self) -> int:
        """What outranks all that is there."""
        return next_number([*self.sets, *self.unreadable])

    @property
    def holds_newer_format(self) -> bool:
        """Whether something here is of a later version; then nothing may go."""
        return not all(isinstance(error, DamagedCheckpoint) for error in self.unreadable.values())

    def has(self, file: File) -> bool:
        """Whether its content is there, as far as sizes tell and nobody has found it to be another one."""
        return not file.size or (self.files.get(file.blob) == file.size and file.blob not in self._bad)

    def lacking(self, wanted: FileSet) -> list[File]:
        """One file for each content that is not there."""
        return [file for file in wanted.contents.values() if not self.has(file)]

    def whole(self) -> list[FileSet]:
        """The sets of which all is there, the oldest first."""
        return sorted((one for one in self.sets.values() if not self.lacking(one)), key=lambda one: one.rank)

    def put_content(self, file: File, source: ContentSource) -> None:
        """Send one content; `ChangedMeanwhile` if it is no longer that."""
        receipt = self.remote.put(f"{self._at}/files/{file.blob}", source)
        source.prove()
        if receipt.size != file.size:
            what = f"the remote stored other bytes of {file.path} than were sent"
            raise RemoteUnavailable(what, hint="it is sent again")
        self.files[file.blob] = file.size
        self._bad.discard(file.blob)

    def put_set(self, made: FileSet) -> None:
        """Commit a set whose contents are all there."""
        self.remote.put(f"{self._at}/sets/{made.name}{_SUFFIX}", BytesSource(made.to_bytes()))
        self.sets[made.name] = made

    def get_content(self, file: File, sink: BinaryIO, tell: Callable[[int], None]) -> None:
        """Write a content to `sink` and prove it; `DamagedCheckpoint` if it is not there or is another one."""
        arrival = _Arrival(sink, file, tell)
        try:
            self.remote.get(f"{self._at}/files/{file.blob}", cast("BinaryIO", arrival))
            arrival.prove()
        except NotThere as error:
            self._bad.add(file.blob)
            raise DamagedCheckpoint(error.what, hint=error.hint) from error
        except (DamagedCheckpoint, Overtaken):
            self._bad.add(file.blob)
            raise

    def sweep(self, keep: int, wanted: Collection[FileSet] = ()) -> None:
        """Keep the newest so many sets that are whole; delete the others, then the contents that nobody names.

        `wanted` ones are still to be sent, and may count on what is there.
        """
        if self.holds_newer_format:
            return
        whole = self.whole()
        gone = {one.name for one in whole[:-keep]}
        if len(whole) >= keep:
            gone |= (self.sets.keys() - {one.name for one in whole}) | self.unreadable.keys()
        self._delete(gone, wanted)

    def make_room(self, wanted: FileSet) -> bool:
        """The remote is full: give up the oldest whole set but one; whether there was any."""
        whole = self.whole()
        if self.holds_newer_format or len(whole) < 2:
            return False
        self._delete({whole[0].name}, [wanted])
        return True

    def _delete(self, gone: Collection[str], wanted: Collection[FileSet]) -> None:
        for name in sorted(gone):
            self.remote.delete(f"{self._at}/sets/{name}{_SUFFIX}")
            self.sets.pop(name, None)
            self.unreadable.pop(name, None)
        # What a document names that cannot be read is not known, and it may be mended.
        if self.unreadable:
            return
        live = {blob for one in (*self.sets.values(), *wanted) for blob in one.contents}
        for blob in sorted(self.files.keys() - live):
            self.remote.delete(f"{self._at}/files/{blob}")
            del self.files[blob]


class _Arrival:
    """Where bytes go on their way to a file; never more of them than there should be."""

    def __init__(self, sink: BinaryIO, file: File, tell: Callable[[int], None]) -> None:
        self._sink = sink
        self._file = file
        self._tell = tell
        self._digest = RunningDigest()
        self._left = file.size

    def write(self, data: Any) -> int:
        count = memoryview(data).nbytes
        self._left -= count
        if self._left < 0:
            raise self._other()
        self._sink.write(data)
        self._digest.update(data)
        self._tell(count)
        return count

    def prove(self) -> None:
        """All must have come, and be what it should be."""
        if self._left or self._digest.value != self._file.digest:
            raise self._other()

    def _other(self) -> DamagedCheckpoint:
        return damaged(f"{self._file.path}", "what the remote has under its digest is something else")


def _base(name: str) -> str:
    return name.rpartition("/")[2]
