"""What is on Drive, read by a reader that shares no code with the package."""

from __future__ import annotations

from pathlib import Path

from independent_reader import manifest, pack
from reliability.training import VM, Place

__all__ = ["check_end", "check_valid", "contents"]

_TWO_DAYS = 2 * 24 * 3600.0


def contents(folder: Path) -> dict[str, list[bytes]]:
    """The tensors of each checkpoint whose manifest is there; an AssertionError if it lacks anything."""
    packs: dict[str, dict[str, bytes]] = {}
    found = {}
    for path in sorted((folder / "checkpoints").glob("*.json")):
        document = manifest(path)
        for name, info in document["packs"].items():
            if name not in packs:
                assert (folder / "packs" / name).exists(), f"{path.name} lacks {name}"
                packs[name] = {key: data for key, (_, _, data) in pack(folder / "packs" / name, info).items()}
        found[path.stem] = [packs[ref["pack"]][ref["key"]] for ref in document["tensors"]]
    return found


def check_valid(place: Place) -> dict[str, list[bytes]]:
    """Every manifest has all its packs, each with the bytes that were committed."""
    found = contents(place.truth())
    for name, tensors in found.items():
        assert tensors == place.made[name], f"{name} has other bytes than were committed"
    return found


def check_end(place: Place, disk: Path) -> None:
    """A new VM goes on from the newest checkpoint that was ever called safe, and a day later nothing is left over."""
    there = check_valid(place)
    # What a session has left goes when it has been silent for a day; until then it may be on its way.
    place.clock.advance(_TWO_DAYS)
    later = VM(place, disk, "z00000")
    try:
        assert later.start() is None
        if later.newest is not None:
            assert contents(disk / "run")[later.newest.name] == there[later.newest.name]
        assert later.round() is None
    finally:
        later.close()
    check_valid(place)
    folder = place.truth()
    named = {name for path in (folder / "checkpoints").glob("*.json") for name in manifest(path)["packs"]}
    packs = {path.name for path in (folder / "packs").glob("*.safetensors")}
    assert packs == named, "packs that no checkpoint names"
