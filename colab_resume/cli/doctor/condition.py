"""A run as it matters to who is to help: its newest checkpoint, what was set aside, how its last sessions ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC

from ...checkpoints.manifest import Manifest
from ...colab.mount_table import mount_point
from ...display.tables import ago, duration, size
from ...errors import DamagedCheckpoint
from ...remotes.drive_mount.attributes import DriveAttributes
from ...sessions.history import clock_problem
from ...sessions.identity import SessionRecord
from ...sessions.lives import lives
from ...sessions.telling import short_gpu
from ...sessions.times import date, span
from ...status import Life
from ..history import ending
from ..runs import FoundRun
from .findings import Finding

__all__ = ["checkpoint", "proof", "sessions"]

_MOST = 5
"""So many of a kind are told; older ones say less."""
_QUICK = 64 << 20
"""Bytes that are read for a proof; more of them would not be there in time."""


def checkpoint(run: FoundRun, *, free: int | None) -> Iterator[Finding]:
    """The newest one that is whole, whether it is as it was written, and those that are not whole."""
    flaws = {name: error.what for name, error in run.unreadable.items()}
    flaws |= {manifest.name: lack for manifest in run.manifests if (lack := run.lack(manifest))}
    whole = [manifest for manifest in run.manifests if manifest.name not in flaws]
    if whole:
        yield from _newest(run, whole[-1], free)
    else:
        yield Finding(about="checkpoint", text="none that is whole", wrong=bool(flaws))
    for name, flaw in sorted(flaws.items(), reverse=True)[:_MOST]:
        yield Finding(about="checkpoint", text=f"{name} would be set aside: {flaw}", wrong=True)
    if len(flaws) > _MOST:
        yield Finding(about="checkpoint", text=f"and {len(flaws) - _MOST} more", wrong=True)


def _newest(run: FoundRun, manifest: Manifest, free: int | None) -> Iterator[Finding]:
    total = sum(info.size for info in manifest.packs.values())
    text = f"{manifest.name}: step {manifest.step}, {size(total)}, saved {ago(time.time() - manifest.created)}"
    yield Finding(about="checkpoint", text=text)
    if free is not None and free < total:
        yield Finding(about="checkpoint", text=f"one more of them does not fit: {size(free)} are free", wrong=True)
    if run.place.folder is None or mount_point(run.place.folder.resolve()) is not None or total > _QUICK:
        text = "all its packs are there, by name and size; colab-resume verify reads every byte"
        yield Finding(about="checkpoint", text=text)
        return
    try:
        for pack, info in manifest.packs.items():
            run.prove(pack, info, lambda _: None)
    except DamagedCheckpoint as error:
        if run.is_there(manifest.name):
            yield Finding(about="checkpoint", text=f"it is damaged: {error.what}", wrong=True)
    else:
        yield Finding(about="checkpoint", text="every byte of it is as it was written")


def proof(run: FoundRun) -> Iterator[Finding]:
    """What a mount says of the files on it: by that it is known when Drive has them."""
    folder = run.place.folder
    if folder is None or mount_point(folder.resolve()) is None or not run.manifests:
        return
    found = DriveAttributes.of(str(folder / "checkpoints" / f"{run.manifests[-1].name}.json"))
    told = {"uncommitted": found.uncommitted, "id": found.id, "md5": found.md5}
    answer = [f"user.drive.{name}" for name, value in told.items() if value is not None]
    yield Finding(about="proof", text=f"{', '.join(answer) or 'no attribute'} answered: {found.proof.value}")
    if found.is_pending:
        yield Finding(about="proof", text="Drive does not have the newest checkpoint yet")


def sessions(run: FoundRun) -> Iterator[Finding]:
    """The newest ones, the newest first; no name of a machine or of a notebook is told."""
    records = []
    for name, content in run.records(newest=_MOST).items():
        try:
            records.append(SessionRecord.from_bytes(content))
        except DamagedCheckpoint as error:
            yield Finding(about="session", text=f"{name}: {error.what}", wrong=True)
    now = time.time()
    restorable = next((manifest.step for manifest in reversed(run.manifests) if not run.lack(manifest)), 0)
    by_id = {record.id: record for record in records}
    for number, life in enumerate(reversed(lives(records, now=now, restorable=restorable))):
        wrong = number == 0 and life.ended == "failed"
        yield Finding(about="session", text=_told(life, by_id[life.session]), wrong=wrong)
    if clock_problem(records, now):
        text = "a sign of life lies in the future: one of two machines' clocks is wrong, and so are ages and gaps"
        yield Finding(about="session", text=text, wrong=True)
    if not records:
        yield Finding(about="session", text="none has left a record that can be read")


def _told(life: Life, record: SessionRecord) -> str:
    where = " ".join(text for text in (record.place, short_gpu(record.gpu)) if text)
    lost = f"; lost {life.lost_steps} steps = {duration(life.lost_seconds)}" if life.lost_steps else ""
    words = [
        f"{life.session} {date(life.began, UTC)} UTC",
        life.why,
        where,
        f"lived {span(life.last_sign - life.began)}",
    ]
    told = ", ".join(text for text in words if text)
    return f"{told}, steps {life.first_step} to {life.last_step}: {ending(life, record.error)}{lost}"
