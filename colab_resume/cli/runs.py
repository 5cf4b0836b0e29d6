"""A run as the command line sees it: read, never locked, never changed, so that it may belong to a live run.

A live run deletes what retention lets go, a manifest before its packs. So what cannot be read and has lost its manifest
meanwhile is not damaged, it is just gone. Packs are listed after the manifests, since they arrive before them.

No pack is read unless a command says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from ..checkpoints.fetching import prove_pack
from ..checkpoints.manifest import Manifest
from ..checkpoints.pack import PackInfo
from ..checkpoints.pack_file import verify_pack
from ..errors import CheckpointError, DamagedCheckpoint, NoGoodCheckpoint, RemoteRefused, UsageError
from ..remotes import Remote
from .looking import Listed, checkpoints_on, journals_on, listed, manifests_of, of_each
from .places import HINT, Place, open_place

__all__ = ["FoundRun", "find_runs", "first_good", "last_used", "open_run"]

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class FoundRun:
    """One run at one moment: the manifests that can be read, the oldest first, and why the others cannot."""

    place: Place
    manifests: tuple[Manifest, ...]
    unreadable: Mapping[str, CheckpointError]
    packs: Mapping[str, int]
    """The size of every pack that is there, needed or not."""
    sessions: tuple[str, ...]
    """The file names of the records of the sessions that worked on this run, by time."""

    @property
    def name(self) -> str:
        """The folder's name, which is the run's."""
        return self.place.name

    @property
    def remote(self) -> Remote:
        """The run's folder."""
        return self.place.remote

    def is_there(self, name: str) -> bool:
        """Whether this checkpoint has not been deleted meanwhile."""
        return name in checkpoints_on(self.remote)

    def read(self, name: str) -> bytes:
        """All of a small file, as it lies there."""
        sink = BytesIO()
        self.remote.get(name, sink)
        return sink.getvalue()

    def lack(self, manifest: Manifest) -> str:
        """What is missing of this checkpoint, as far as sizes tell; empty if nothing."""
        for pack, info in manifest.packs.items():
            if (found := self.packs.get(pack)) is None:
                return f"{pack} is not there"
            if found != info.size:
                return f"{pack} has {found} bytes instead of {info.size}"
        return ""

    def prove(self, pack: str, info: PackInfo, progress: Callable[[int], None]) -> None:
        """Read a pack and keep nothing of it; DamagedCheckpoint unless it is, to the bit, what `info` says."""
        if self.place.folder is not None:
            verify_pack(self.place.folder / "packs" / pack, info, progress)
        else:
            prove_pack(self.remote, pack, info, progress=progress)

    def records(self, *, newest: int | None = None) -> dict[str, bytes]:
        """The records of the sessions by file name; if a number is given, of so many that began last."""
        names = self.sessions if newest is None else self.sessions[-newest:]
        contents = self._read_each([f"sessions/{name}" for name in names])
        return dict(zip(names, contents, strict=True))

    @contextmanager
    def journal_folder(self) -> Iterator[Path]:
        """A folder of this machine where all journals are while in this block."""
        if self.place.folder is not None:
            yield self.place.folder / "journal"
            return
        names = [name for _, name in journals_on(self.remote).values()]
        contents = self._read_each([f"journal/{name}" for name in names])
        with TemporaryDirectory(prefix="colab-resume-") as folder:
            for name, content in zip(names, contents, strict=True):
                (Path(folder) / name).write_bytes(content)
            yield Path(folder)

    def candidates(self, wanted: str | None) -> Sequence[Manifest]:
        """The checkpoints that a command may take, the best first: all, or the one with this name, step or tag."""
        if wanted is None:
            if not self.manifests and not self.unreadable:
                raise NoGoodCheckpoint(f"{self.place.shown} holds no checkpoint", hint="nothing was saved there yet")
            return self.manifests[::-1]
        if wanted in self.unreadable:
            raise self.unreadable[wanted]
        found = [manifest for manifest in self.manifests if _is_called(manifest, wanted)]
        if not found:
            raise UsageError(
                f"{self.name} has no checkpoint with the name, step or tag {wanted!r}",
                hint=f"`colab-resume ls {self.place.shown}` lists those it has",
            )
        return found[-1:]

    def check_answering(self, error: DamagedCheckpoint) -> None:
        """Raise if it is not this one file that was refused but everything, as after a login has ended."""
        if isinstance(error.__cause__, RemoteRefused):
            self.remote.list("packs")

    def _read_each(self, names: Sequence[str]) -> list[bytes]:
        return of_each(names, self.read, at_a_time=self.place.at_a_time)


def first_good(
    run: FoundRun, wanted: str | None, use: Callable[[Manifest], _T], note: Callable[[str], None]
) -> tuple[Manifest, _T]:
    """The first candidate that `use` does not find damaged, and what it gave; `note` is told what was skipped."""
    candidates = run.candidates(wanted)
    if wanted is None:
        for name, error in run.unreadable.items():
            note(f"{name} skipped: {error.what}")
    for manifest in candidates:
        try:
            return manifest, use(manifest)
        except DamagedCheckpoint as error:
            run.check_answering(error)
            if wanted is not None:
                raise
            note(f"{manifest.name} skipped: {error.what}")
    raise NoGoodCheckpoint(
        f"no checkpoint of {run.name} can be read", hint=f"`colab-resume verify {run.place.shown}` says why"
    )


def find_runs(where: str, credentials: str | None = None) -> list[FoundRun]:
    """The run whose folder this is, or the runs in this folder, by name; `UsageError` if there is none."""
    place = open_place(where, credentials)
    there = listed([place]) or listed(place.inside())
    if not there:
        raise UsageError(f"there is no run in {place.shown}", hint=HINT)
    return _found(there)


def open_run(where: str, credentials: str | None = None) -> FoundRun:
    """The run whose folder this is; `UsageError` for a folder of runs, and for any other."""
    place = open_place(where, credentials)
    if itself := listed([place]):
        return _found(itself)[0]
    names = [found.place.name for found in listed(place.inside())]
    if not names:
        raise UsageError(f"{place.shown} is not the folder of a run", hint=HINT)
    hint = f"give the folder of one, as '{place.shown_inside(names[0])}'"
    raise UsageError(f"{place.shown} holds runs: {', '.join(names)}", hint=hint)


def last_used(place: Place) -> tuple[FoundRun, list[str]] | None:
    """The run whose folder this is, or of the runs in this folder the one whose newest session began last; and the
    names of all of them. None if there is none."""
    there = listed([place]) or listed(place.inside())
    if not there:
        return None
    last = max(there, key=lambda run: run.sessions[-1:])
    return _found([last])[0], [run.place.name for run in there]


def _found(there: Sequence[Listed]) -> list[FoundRun]:
    return [_sorted_out(run, answers) for run, answers in zip(there, manifests_of(there), strict=True)]


def _sorted_out(run: Listed, answers: Mapping[str, Manifest | CheckpointError]) -> FoundRun:
    manifests = [answer for answer in answers.values() if isinstance(answer, Manifest)]
    broken = {name: answer for name, answer in answers.items() if not isinstance(answer, Manifest)}
    if broken:
        still = checkpoints_on(run.place.remote)
        broken = {name: error for name, error in broken.items() if name in still}
    manifests.sort(key=lambda manifest: (manifest.rank, manifest.created))
    return FoundRun(run.place, tuple(manifests), broken, run.packs, run.sessions)


def _is_called(manifest: Manifest, wanted: str) -> bool:
    return wanted in (manifest.name, str(manifest.step), *manifest.tags)
