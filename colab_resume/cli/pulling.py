"""`pull`: one checkpoint with all that belongs to it, copied into a run's folder on another disk, and proved there.

Called again it goes on where it stopped: what is there and sound is not copied again. It only ever adds to a folder
that is new, empty, or holds the same run; in that one, files of the right name with wrong bytes are copied afresh.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ..checkpoints.fetching import fetch_pack, sound_pack
from ..checkpoints.manifest import NAME, Manifest
from ..checkpoints.run_folder import RunFolder
from ..checkpoints.store import Store
from ..display.bars import byte_bar
from ..display.tables import size
from ..display.terminal import Terminal
from ..durable import TEMPORARY, write_durably
from ..errors import DamagedCheckpoint, UsageError
from ..remotes import open_remote
from ..sessions.identity import SessionRecord, new_session_id
from ..training.journal import journals_in
from .runs import FoundRun, first_good, open_run
from .verbs import Verb, add_checkpoint, add_json

__all__ = ["VERB"]


@dataclass(frozen=True)
class _Pulled:
    run: str
    checkpoint: str
    step: int
    folder: str
    packs: int
    bytes: int
    copied: int
    """The bytes that were not there yet."""

    def __str__(self) -> str:
        return (
            f"{self.run}/{self.checkpoint} (step {self.step}) is in {self.folder}: {size(self.bytes)} in {self.packs} "
            f"packs, as written; {size(self.copied)} of it copied now"
        )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.add_argument("dest", metavar="DEST", help="a new or empty folder, or one that holds the same run")
    add_checkpoint(parser, "the newest good one otherwise")
    add_json(parser)


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    run = open_run(options.run)
    run.candidates(options.checkpoint)
    dest = Path(options.dest)
    _check_dest(run, dest)
    store = Store(dest, session=new_session_id())
    try:
        manifest, copied = first_good(run, options.checkpoint, partial(_pull, run, store), terminal.note)
        _copy_journals(run, store)
        _copy_records(run, store)
    finally:
        store.close()
    total = sum(info.size for info in manifest.packs.values())
    pulled = _Pulled(run.name, manifest.name, manifest.step, str(dest), len(manifest.packs), total, copied)
    terminal.document(asdict(pulled))
    terminal.line(str(pulled))
    return 0


def _check_dest(run: FoundRun, dest: Path) -> None:
    source = run.folder.root.resolve()
    if dest.exists() and not dest.is_dir():
        raise UsageError(f"{dest} is a file, not a folder", hint="give a new folder")
    if dest.resolve().is_relative_to(source) or source.is_relative_to(dest.resolve()):
        raise UsageError(f"{dest} and {run.folder.root} lie in each other", hint="give a folder somewhere else")
    there = RunFolder(dest)
    ours = {"run.json", ".lock", "folders", *(folder.name for folder in there.folders[1:])}
    found = [path.name for path in dest.iterdir()] if dest.is_dir() else []
    if foreign := [name for name in found if name not in ours and not name.startswith(TEMPORARY)]:
        raise UsageError(f"{dest} holds {min(foreign)!r}, which no run has", hint="give a new or empty folder")
    if strangers := _sessions(there) - _sessions(run.folder):
        raise UsageError(
            f"{dest} holds another run, or work that {run.name} does not know: that of session {min(strangers)}",
            hint="give a new or empty folder",
        )


def _sessions(folder: RunFolder) -> set[str]:
    """The sessions that have left a checkpoint or a journal."""
    names = [path.stem for path in folder.checkpoints.glob("*.json")]
    savers = {found[2] for name in names if (found := NAME.fullmatch(name)) is not None}
    return savers | journals_in(folder.journals).keys()


def _pull(run: FoundRun, store: Store, manifest: Manifest) -> int:
    """Copy what is lacking and prove all of it; how many bytes were copied."""
    copied = 0
    with byte_bar("copy and verify", sum(info.size for info in manifest.packs.values())) as progress:
        for pack, info in manifest.packs.items():
            found = sound_pack(store.pack_path(pack), info, progress=progress)
            found = found or fetch_pack(open_remote(run.folder.root), store, pack, info, progress=progress)
            copied += found.came
    store.adopt(run.manifest_bytes(manifest.name), manifest.name)
    return copied


def _copy_journals(run: FoundRun, store: Store) -> None:
    """All of them: each is small, and together they are the history. They only grow, so the longer one is newer."""
    for session, path in journals_in(run.folder.journals).items():
        data, there = path.read_bytes(), store.journal_path(session)
        if not there.exists() or there.stat().st_size < len(data):
            write_durably(there, partial(_write, data))


def _write(data: bytes, sink: BinaryIO) -> None:
    sink.write(data)


def _copy_records(run: FoundRun, store: Store) -> None:
    """What the sessions say of themselves; a record that cannot be read is only history, and stays where it is."""
    for path in run.sessions:
        there = store.sessions / path.name
        record = _record(path)
        if record is None or record.file_name != path.name:
            continue
        before = _record(there) if there.exists() else None
        if before is None or before.heartbeat < record.heartbeat:
            record.save(store.sessions)


def _record(path: Path) -> SessionRecord | None:
    try:
        return SessionRecord.from_bytes(path.read_bytes())
    except DamagedCheckpoint:
        return None


VERB = Verb(
    name="pull",
    summary="copy one checkpoint with its packs and its history to another disk, and prove it there",
    details=(
        "DEST becomes a run's folder: setup(NAME, store=PARENT) finds it as PARENT/NAME. An interrupted pull goes on "
        "when it is called again. Damaged checkpoints are skipped."
    ),
    examples=("/content/drive/MyDrive/runs/digits ~/store/digits", "runs/digits copy 1240"),
    arguments=_arguments,
    run=_run,
)
