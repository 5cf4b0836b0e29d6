"""`verify`: reads every byte that a restart would, and says of each checkpoint whether it is what was written."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from ..checkpoints.manifest import Manifest
from ..checkpoints.pack import PackInfo
from ..display.bars import byte_bar
from ..display.tables import size
from ..display.terminal import Terminal
from ..errors import CheckpointError, DamagedCheckpoint
from ..sessions.identity import SessionRecord
from ..training.journal import Mark, history
from .runs import FoundRun, find_runs
from .shelves import KeptFolder, kept_folders
from .verbs import Verb, add_json, add_place

__all__ = ["VERB"]


@dataclass(frozen=True)
class _Finding:
    run: str
    what: str
    state: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.state:<10}  {self.run}/{self.what}" + (f"  {self.reason}" if self.reason else "")


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_place(parser, "folder", "one run, or what holds runs")
    text = "also check what no restart depends on: the metrics of each checkpoint, and the records of the sessions"
    parser.add_argument("--all", action="store_true", help=text)
    add_json(parser)


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    runs = find_runs(options.folder, options.credentials)
    folders = {run: kept_folders(run) for run in runs}
    findings: list[_Finding] = []
    with byte_bar("verify", sum(_bytes(run, folders[run]) for run in runs)) as progress:
        for run in runs:
            for finding in _look(run, progress, everything=options.all, folders=folders[run]):
                findings.append(finding)
                terminal.line(str(finding))
    good = {finding.state for finding in findings} in ({"ok"}, {"ok", "empty"})
    terminal.document({"ok": good, "findings": [asdict(finding) for finding in findings]})
    return 0 if good else 1


def _look(
    run: FoundRun, progress: Callable[[int], None], *, everything: bool, folders: Sequence[KeptFolder] = ()
) -> Iterator[_Finding]:
    if not run.manifests and not run.unreadable:
        yield _Finding(run.name, "", "empty", "it holds no checkpoint")
    for name, error in run.unreadable.items():
        yield _Finding(run.name, name, "damaged", error.what)
    proof = _Proof(run, progress)
    for manifest in reversed(run.manifests):
        finding = proof.of(manifest)
        if finding.state == "ok" or run.is_there(manifest.name):
            yield finding
    for folder in folders:
        yield from _sets(run, folder, progress)
    if everything:
        yield from _journals(run)
        yield from _records(run)


class _Proof:
    """Reads each pack once, however many checkpoints share it."""

    def __init__(self, run: FoundRun, progress: Callable[[int], None]) -> None:
        self._run = run
        self._progress = progress
        self._flaws: dict[tuple[str, PackInfo], str] = {}

    def of(self, manifest: Manifest) -> _Finding:
        if lack := self._run.lack(manifest):
            return _Finding(self._run.name, manifest.name, "incomplete", lack)
        for pack, info in manifest.packs.items():
            if flaw := self._flaw(pack, info):
                return _Finding(self._run.name, manifest.name, "damaged", flaw)
        total = sum(info.size for info in manifest.packs.values())
        return _Finding(self._run.name, manifest.name, "ok", f"{size(total)} as written")

    def _flaw(self, pack: str, info: PackInfo) -> str:
        if (pack, info) not in self._flaws:
            try:
                self._run.prove(pack, info, self._progress)
                self._flaws[pack, info] = ""
            except DamagedCheckpoint as error:
                self._flaws[pack, info] = error.what
        return self._flaws[pack, info]


def _sets(run: FoundRun, folder: KeptFolder, progress: Callable[[int], None]) -> Iterator[_Finding]:
    for name, reason in folder.unreadable.items():
        yield _Finding(run.name, f"folders/{folder.name}/{name}", "damaged", reason)
    for one in folder.sets:
        flaw, what = folder.flaw(one, progress), f"folders/{folder.name}/{one.name}"
        if not flaw:
            yield _Finding(run.name, what, "ok", f"{size(one.size)} as written")
        elif folder.is_there(one):
            yield _Finding(run.name, what, "damaged", flaw)


def _journals(run: FoundRun) -> Iterator[_Finding]:
    with run.journal_folder() as folder:
        for manifest in reversed(run.manifests):
            try:
                flaws = history(folder, Mark.from_json(manifest.journal)).flaws
            except CheckpointError as error:
                flaws = (error.what,)
            for flaw in flaws:
                if run.is_there(manifest.name):
                    yield _Finding(run.name, manifest.name, "metrics", flaw)


def _records(run: FoundRun) -> Iterator[_Finding]:
    for name, content in run.records().items():
        try:
            SessionRecord.from_bytes(content)
        except DamagedCheckpoint as error:
            yield _Finding(run.name, f"sessions/{name}", "damaged", error.what)


def _bytes(run: FoundRun, folders: Sequence[KeptFolder]) -> int:
    packs = {(pack, info) for manifest in run.manifests for pack, info in manifest.packs.items()}
    return sum(info.size for _, info in packs) + sum(folder.size for folder in folders)


VERB = Verb(
    name="verify",
    summary="read every byte of every checkpoint and mirrored folder, and say which are as they were written",
    details=(
        "Exit status: 0 if all are, 1 if any is damaged or incomplete, or if there is none. Over a network all packs "
        "are read and none is kept, and mirrored folders are left out."
    ),
    examples=(
        "/content/drive/MyDrive/runs/digits",
        "s3://bucket/runs --all",
        "drive:colab_resume/digits --credentials key.json",
    ),
    arguments=_arguments,
    run=_run,
)
