"""`pull`: one checkpoint with all that belongs to it, copied into a run's folder on another disk, and proved there.

Called again it goes on where it stopped: what is there and sound is not copied again. It only ever adds to a folder
that is new, empty, or holds the same run; in that one, files of the right name with wrong bytes are copied afresh.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from ..checkpoints.fetching import fetch_pack, sound_pack
from ..checkpoints.manifest import NAME, Manifest
from ..checkpoints.run_folder import RunFolder
from ..checkpoints.store import Store
from ..display.bars import byte_bar
from ..display.tables import size
from ..display.terminal import Terminal
from ..durable import TEMPORARY, write_durably
from ..errors import DamagedCheckpoint, UsageError
from ..remotes import Remote
from ..remotes.folder import FolderRemote
from ..sessions.identity import SessionRecord, new_session_id
from .looking import checkpoints_on, journals_on
from .runs import FoundRun, first_good, open_run
from .verbs import Verb, add_checkpoint, add_json, add_place

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
    add_place(parser, "run", "one run")
    text = "a new or empty folder, or one that holds the same run; one of the run's name here otherwise"
    parser.add_argument("dest", metavar="DEST", nargs="?", help=text)
    add_checkpoint(parser, "the newest good one otherwise")
    add_json(parser)


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    run = open_run(options.run, options.credentials)
    run.candidates(options.checkpoint)
    dest = Path(run.name if options.dest is None else options.dest)
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
    if dest.exists() and not dest.is_dir():
        raise UsageError(f"{dest} is a file, not a folder", hint="give a new folder")
    if run.place.folder is not None and _lie_in_each_other(dest.resolve(), run.place.folder.resolve()):
        raise UsageError(f"{dest} and {run.place.shown} lie in each other", hint="give a folder somewhere else")
    ours = {"run.json", ".lock", "folders", *(folder.name for folder in RunFolder(dest).folders[1:])}
    found = [path.name for path in dest.iterdir()] if dest.is_dir() else []
    if foreign := [name for name in found if name not in ours and not name.startswith(TEMPORARY)]:
        raise UsageError(f"{dest} holds {min(foreign)!r}, which no run has", hint="give a new or empty folder")
    if strangers := _sessions(FolderRemote(dest)) - _sessions(run.remote):
        raise UsageError(
            f"{dest} holds another run, or work that {run.name} does not know: that of session {min(strangers)}",
            hint="give a new or empty folder",
        )


def _lie_in_each_other(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _sessions(remote: Remote) -> set[str]:
    """The sessions that have left a checkpoint or a journal."""
    savers = {found[2] for name in checkpoints_on(remote) if (found := NAME.fullmatch(name)) is not None}
    return savers | journals_on(remote).keys()


def _pull(run: FoundRun, store: Store, manifest: Manifest) -> int:
    """Copy what is lacking and prove all of it; how many bytes were copied."""
    copied = 0
    with byte_bar("copy and verify", sum(info.size for info in manifest.packs.values())) as progress:
        for pack, info in manifest.packs.items():
            found = sound_pack(store.pack_path(pack), info, progress=progress)
            found = found or fetch_pack(run.remote, store, pack, info, progress=progress)
            copied += found.came
    store.adopt(run.read(f"checkpoints/{manifest.name}.json"), manifest.name)
    return copied


def _copy_journals(run: FoundRun, store: Store) -> None:
    """All of them: each is small, and together they are the history. They only grow, so the longer one is newer."""
    for session, (length, name) in journals_on(run.remote).items():
        there = store.journal_path(session)
        if not there.exists() or there.stat().st_size < length:
            write_durably(there, partial(run.remote.get, f"journal/{name}"))


def _copy_records(run: FoundRun, store: Store) -> None:
    """What the sessions say of themselves; a record that cannot be read is only history, and stays where it is."""
    for name, content in run.records().items():
        there = store.sessions / name
        record = _record(content)
        if record is None or record.file_name != name:
            continue
        before = _record(there.read_bytes()) if there.exists() else None
        if before is None or before.heartbeat < record.heartbeat:
            record.save(store.sessions)


def _record(content: bytes) -> SessionRecord | None:
    try:
        return SessionRecord.from_bytes(content)
    except DamagedCheckpoint:
        return None


VERB = Verb(
    name="pull",
    summary="copy one checkpoint with its packs and its history to another disk, and prove it there",
    details=(
        "DEST becomes a run's folder: setup(NAME, store=PARENT) finds it as PARENT/NAME. An interrupted pull goes on "
        "when it is called again. Damaged checkpoints are skipped."
    ),
    examples=(
        "/content/drive/MyDrive/runs/digits ~/store/digits",
        "runs/digits copy 1240",
        "drive:colab_resume/digits --credentials key.json",
    ),
    arguments=_arguments,
    run=_run,
)
