"""A run's folder, looked at from outside: what is in it, and whether all of it can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kills.training import NAME

from colab_resume.checkpoints.manifest import Manifest
from colab_resume.checkpoints.names import NAME as CHECKPOINT
from colab_resume.checkpoints.pack_file import verify_pack
from colab_resume.errors import DamagedCheckpoint

__all__ = ["manifests", "unreadable"]


def manifests(root: Path) -> list[Manifest]:
    """The checkpoints in a run's folder, the newest first."""
    found = [Manifest.from_bytes(path.read_bytes(), path.stem) for path in _paths(root)]
    return sorted(found, key=lambda manifest: manifest.rank, reverse=True)


def unreadable(root: Path) -> list[str]:
    """What is wrong with the checkpoints in a run's folder: each one whose manifest exists must be whole."""
    flaws = []
    for path in _paths(root):
        try:
            manifest = Manifest.from_bytes(path.read_bytes(), path.stem)
            for pack, info in manifest.packs.items():
                verify_pack(root / NAME / "packs" / pack, info)
        except DamagedCheckpoint as error:
            flaws.append(f"{path}: {error.what}")
    return flaws


def _paths(root: Path) -> Iterator[Path]:
    """A file exists under its final name only; what is being written has another one."""
    paths = (root / NAME / "checkpoints").glob("*.json")
    return (path for path in paths if CHECKPOINT.fullmatch(path.stem))
