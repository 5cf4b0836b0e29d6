"""Programs that write folders, each in its own style, and remember which states of them were ever complete.

    python -m folders.writing STYLE FOLDER JOURNAL SEED

Each state is noted in the journal before anything of it is written, and once more when it is complete, with the times;
then there is a pause. Nothing is written before there is a line on standard input: a folder is tracked first.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["SETTLE_SECONDS", "SLOW_SECONDS", "STYLES", "digest", "note_killed", "states", "was_slow"]

SETTLE_SECONDS = 1.2
"""What is still for so long has settled, where these programs write."""
SLOW_SECONDS = 1.0
"""A state that took longer may have been still for that long in between: the machine had other things to do."""


def digest(files: Mapping[str, bytes]) -> str:
    """What stands for a state."""
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(f"{path}\0{len(files[path])}\0".encode() + files[path])
    return whole.hexdigest()


def states(journal: Path) -> list[str]:
    """The digests of the complete states, in order."""
    return [note["complete"] for note in _notes(journal) if "complete" in note]


def was_slow(journal: Path) -> bool:
    """Whether some state, whole or not, took so long that nobody could have known it from one that is complete."""
    begun = math.inf
    for note in _notes(journal):
        if "begun" not in note and note["at"] - begun > SLOW_SECONDS:
            return True
        begun = note["at"] if "begun" in note else math.inf
    return False


def note_killed(journal: Path) -> None:
    """The writer is dead, perhaps in the middle of a state."""
    with journal.open("a") as notes:
        notes.write("\n" + _note("killed"))


def _note(what: str, state: str = "") -> str:
    return json.dumps({what: state, "at": time.monotonic()}) + "\n"


def _notes(journal: Path) -> list[dict[str, Any]]:
    """All whole lines: a kill may have cut one off."""
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def _in_place(folder: Path, path: str, data: bytes, chance: random.Random) -> None:
    with (folder / path).open("wb", buffering=0) as sink:
        for begin in range(0, len(data), 1 + len(data) // 4):
            sink.write(data[begin : begin + 1 + len(data) // 4])
            time.sleep(chance.random() * 0.02)


def _renamed(folder: Path, path: str, data: bytes, chance: random.Random) -> None:
    _in_place(folder, f"{path}.tmp", data, chance)
    (folder / f"{path}.tmp").replace(folder / path)


def _write(folder: Path, files: Mapping[str, bytes], one: Callable[..., None], chance: random.Random) -> None:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for path in there - files.keys():
        (folder / path).unlink()
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        one(folder, path, data, chance)


def _yolo(number: int, chance: random.Random) -> dict[str, bytes]:
    best = chance.randbytes(20_000)
    return {"weights/last.pt": chance.randbytes(20_000) if number % 2 else best, "weights/best.pt": best}


def _small(number: int, chance: random.Random) -> dict[str, bytes]:
    return {f"{n % 7}/{n}.json": b"%d" % (number if n % 3 else 0) for n in range(60)}


def _large(number: int, chance: random.Random) -> dict[str, bytes]:
    return {"model.bin": chance.randbytes(8_000_000)}


def _saved_model(number: int, chance: random.Random) -> dict[str, bytes]:
    return {
        "variables/variables.data-00000-of-00001": chance.randbytes(50_000),
        "variables/variables.index": b"%d" % number * 50,
        "assets/vocabulary.txt": b"the same\n" * 100,
        f"assets/{number % 3}.txt": b"",
        "saved_model.pb": b"graph %d" % number,
    }


STYLES: dict[str, tuple[Callable[[int, random.Random], dict[str, bytes]], Callable[..., None]]] = {
    "in place": (_yolo, _in_place),
    "renamed": (_yolo, _renamed),
    "many small files": (_small, _renamed),
    "one large file": (_large, _in_place),
    "saved model": (_saved_model, _in_place),
}


def main(style: str, folder: Path, journal: Path, seed: int) -> None:
    """Write state after state; the pause is sometimes too short to settle, and mostly not."""
    make, one = STYLES[style]
    chance = random.Random(seed)
    with journal.open("a", buffering=1) as notes:
        for number in range(10**6):
            files = make(number, chance)
            notes.write(_note("begun", digest(files)))
            if number == 0 and not sys.stdin.readline():
                return  # whoever was to track the folder has failed
            if style == "saved model" and number % 4 == 3:
                shutil.rmtree(folder / "variables", ignore_errors=True)
            _write(folder, files, one, chance)
            notes.write(_note("complete", digest(files)))
            time.sleep(chance.choice([0.1, 1.6, 1.6]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
