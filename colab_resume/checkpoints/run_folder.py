"""Where things lie in a run's folder, and what the folder says about itself."""

from __future__ import annotations

import json
import time
from pathlib import Path

from ..durable import TEMPORARY, make_folder, write_durably
from ..errors import CheckpointError, StoreError, UsageError
from .names import NAME, PACK, checkpoint_name
from .strict_json import parse

__all__ = ["RunFolder", "check_run_file"]

_FORMAT = 1


def check_run_file(content: bytes, where: str) -> None:
    """Refuse a `run.json` that is of a later format (`CheckpointError`) or no such thing (`StoreError`)."""
    try:
        number = parse(content)["format"]
    except (ValueError, KeyError, TypeError) as error:
        hint = "Delete this file: it holds nothing but the format and the time of creation."
        raise StoreError(f"{where} is damaged.", hint=hint) from error
    if number != _FORMAT:
        what = f"{where} was written by a newer colab_resume (format {number!s:.20})."
        raise CheckpointError(what, hint="Upgrade: pip install -U colab-resume")


class RunFolder:
    """The paths below a run's folder. Only names of the right form become paths, so none leads out of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkpoints = root / "checkpoints"
        self.packs = root / "packs"
        self.sessions = root / "sessions"
        self.journals = root / "journal"
        self.aside = root / "aside"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The run's folder and those in it, outermost first."""
        return self.root, self.checkpoints, self.packs, self.sessions, self.journals, self.aside

    def create(self) -> None:
        """Make the folders that are not there."""
        for folder in self.folders:
            make_folder(folder)

    def identify(self) -> None:
        """Say what the folder is, or refuse one that is of a later format."""
        path = self.root / "run.json"
        if not path.exists():
            data = json.dumps({"format": _FORMAT, "created": time.time()}).encode()
            write_durably(path, lambda sink: sink.write(data))
            return
        check_run_file(path.read_bytes(), str(path))

    def remove_unfinished(self) -> None:
        """Delete what a process left that ended while it wrote; only for who has the folder alone."""
        for folder in self.folders:
            for path in folder.glob(f"{TEMPORARY}*"):
                path.unlink()

    def pack_path(self, name: str) -> Path:
        """Where the pack of this file name lies."""
        if not PACK.fullmatch(name):
            raise UsageError(f"{name!r:.90} is not the name of a pack", hint="Take it from a manifest.")
        return self.packs / name

    def manifest_path(self, name: str) -> Path:
        """Where the manifest of this checkpoint lies."""
        if not NAME.fullmatch(name):
            raise UsageError(f"{name!r:.90} is not the name of a checkpoint", hint="Take it from `names()`.")
        return self.checkpoints / f"{name}.json"

    def journal_path(self, session: str) -> Path:
        """Where the metrics of this session lie."""
        checkpoint_name(0, session)
        return self.journals / f"{session}.jsonl"
