"""A run's folder as the command line sees it: read, never locked, never changed, so that it may belong to a live run.

A live run deletes what retention lets go, a manifest before its packs. So what cannot be read and has lost its manifest
meanwhile is not damaged, it is just gone. Packs are looked at after the manifests, since they arrive before them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..checkpoints.collector import at_rest
from ..checkpoints.damage import unreadable
from ..checkpoints.manifest import MANIFEST_LIMIT, NAME, PACK, Manifest
from ..checkpoints.run_folder import RunFolder
from ..errors import CheckpointError, DamagedCheckpoint, NoGoodCheckpoint, UsageError
from ..remotes import open_remote

__all__ = ["FoundRun", "find_runs", "first_good", "open_run"]

_T = TypeVar("_T")
_HINT = "give the folder that setup() was given as remote= or store=, or one run's folder in it"


@dataclass(frozen=True, eq=False)
class FoundRun:
    """One run's folder at one moment: the manifests that can be read, the oldest first, and why the others cannot."""

    folder: RunFolder
    manifests: tuple[Manifest, ...]
    unreadable: Mapping[str, CheckpointError]

    @property
    def name(self) -> str:
        """The folder's name, which is the run's."""
        return self.folder.root.resolve().name

    @property
    def sessions(self) -> list[Path]:
        """The records of the sessions that worked on this run, by time."""
        return _files(self.folder.sessions, ".json")

    @property
    def packs(self) -> list[Path]:
        """Every pack in the folder, needed or not."""
        return [path for path in _files(self.folder.packs, ".safetensors") if PACK.fullmatch(path.name)]

    def is_there(self, name: str) -> bool:
        """Whether this checkpoint has not been deleted meanwhile."""
        return self.folder.manifest_path(name).exists()

    def manifest_bytes(self, name: str) -> bytes:
        """A checkpoint's manifest as it lies there, with whatever else it may say."""
        return _manifest_bytes(self.folder, name)

    def lack(self, manifest: Manifest) -> str:
        """What is missing of this checkpoint, as far as sizes tell; empty if nothing."""
        for pack, info in manifest.packs.items():
            path = self.folder.pack_path(pack)
            if not path.is_file():
                return f"{pack} is not there"
            if (found := path.stat().st_size) != info.size:
                return f"{pack} has {found} bytes instead of {info.size}"
        return ""

    def candidates(self, wanted: str | None) -> Sequence[Manifest]:
        """The checkpoints that a command may take, the best first: all, or the one with this name, step or tag."""
        if wanted is None:
            if not self.manifests and not self.unreadable:
                raise NoGoodCheckpoint(f"{self.folder.root} holds no checkpoint", hint="nothing was saved there yet")
            return self.manifests[::-1]
        if wanted in self.unreadable:
            raise self.unreadable[wanted]
        found = [manifest for manifest in self.manifests if _is_called(manifest, wanted)]
        if not found:
            raise UsageError(
                f"{self.name} has no checkpoint with the name, step or tag {wanted!r}",
                hint=f"`colab-resume ls {self.folder.root}` lists those it has",
            )
        return found[-1:]


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
            if wanted is not None:
                raise
            note(f"{manifest.name} skipped: {error.what}")
    raise NoGoodCheckpoint(
        f"no checkpoint of {run.name} can be read", hint=f"`colab-resume verify {run.folder.root}` says why"
    )


def find_runs(where: str) -> list[FoundRun]:
    """The run whose folder this is, or the runs in this folder, by name; `UsageError` if there is none."""
    root = _folder(where)
    if _is_run(root):
        return [_read(root)]
    runs = [_read(path) for path in sorted(root.iterdir()) if _is_run(path)]
    if not runs:
        raise UsageError(f"there is no run in {root}", hint=_HINT)
    return runs


def open_run(where: str) -> FoundRun:
    """The run whose folder this is; `UsageError` for a folder of runs, and for any other."""
    root = _folder(where)
    if _is_run(root):
        return _read(root)
    names = [path.name for path in sorted(root.iterdir()) if _is_run(path)]
    if not names:
        raise UsageError(f"{root} is not the folder of a run", hint=_HINT)
    raise UsageError(f"{root} holds runs: {', '.join(names)}", hint=f"give the folder of one, as '{root / names[0]}'")


def _folder(where: str) -> Path:
    open_remote(where)  # refuses what can be no folder, such as a URL
    root = Path(where)
    if not root.exists():
        raise UsageError(f"there is no folder {root}", hint="see whether the Drive is mounted, and how it is spelled")
    if not root.is_dir():
        raise UsageError(f"{root} is a file, not a folder", hint=_HINT)
    return root


def _is_run(path: Path) -> bool:
    return (path / "run.json").is_file() or any(_manifest_names(RunFolder(path)))


def _manifest_names(folder: RunFolder) -> Iterator[str]:
    return (path.stem for path in _files(folder.checkpoints, ".json") if NAME.fullmatch(path.stem))


def _files(folder: Path, suffix: str) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix == suffix and path.is_file())


@at_rest()
def _read(root: Path) -> FoundRun:
    folder = RunFolder(root)
    manifests, broken = [], {}
    for name in _manifest_names(folder):
        try:
            manifests.append(Manifest.from_bytes(_manifest_bytes(folder, name), name))
        except CheckpointError as error:
            if folder.manifest_path(name).exists():
                broken[name] = error
    return FoundRun(folder, tuple(sorted(manifests, key=lambda manifest: (manifest.rank, manifest.created))), broken)


def _manifest_bytes(folder: RunFolder, name: str) -> bytes:
    path = folder.manifest_path(name)
    try:
        with path.open("rb") as stream:
            return stream.read(MANIFEST_LIMIT + 1)
    except OSError as error:
        raise unreadable(path, error) from error


def _is_called(manifest: Manifest, wanted: str) -> bool:
    return wanted in (manifest.name, str(manifest.step), *manifest.tags)
