"""What tests do to the folders of runs: read what is in them, damage it, forge it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from colab_resume.checkpoints.manifest import Manifest

__all__ = ["flip", "forge", "manifests", "newest_pack", "own_pack", "picture"]


def manifests(run: Path) -> list[Manifest]:
    """All of a run's, the oldest first."""
    found = [Manifest.from_bytes(path.read_bytes(), path.stem) for path in (run / "checkpoints").glob("*.json")]
    return sorted(found, key=lambda manifest: manifest.rank)


def own_pack(run: Path, number: int) -> Path:
    """A pack that only one checkpoint needs: that at this place, the oldest being 0."""
    there = manifests(run)
    others = {pack for manifest in there if manifest is not there[number] for pack in manifest.packs}
    return run / "packs" / min(there[number].packs.keys() - others)


def newest_pack(run: Path) -> tuple[Path, list[str], Manifest]:
    """A pack that was written for the newest step; the checkpoints that need it, and the newest one that does not."""
    there = manifests(run)
    pack = max(there[-1].packs)
    (*_, good) = [manifest for manifest in there if pack not in manifest.packs]
    return run / "packs" / pack, [manifest.name for manifest in there if pack in manifest.packs], good


def flip(path: Path, place: int = -1) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def forge(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest as somebody would who knows the format: its checksum is right again."""
    document = json.loads(path.read_bytes())
    del document["sha256"]
    change(document)
    body = json.dumps(document, separators=(",", ":")).removeprefix("{").encode()
    path.write_bytes(b'{"sha256":"%s",' % hashlib.sha256(body).hexdigest().encode() + body)


def picture(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder, with the time of its last change and its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
