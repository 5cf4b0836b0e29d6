"""Every way in which a mounted Drive fails, as the stand-in can be told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from drivefs.conditions import ATTRIBUTES
from reliability.faults import Fault
from reliability.on_mount import MountPlace

__all__ = ["MOUNT_FAULTS"]

MountFault = Fault[MountPlace]
_MOUNTED = "Drive is mounted again"


def _changes(**conditions: Any) -> Callable[[MountPlace], None]:
    return lambda place: place.fs.change(**conditions)


def _lose(place: MountPlace) -> None:
    """All that is on a VM's disk by now, and not on Drive."""
    lost = {place.name(f"sessions/{vm.record.file_name}") for vm in place.vms} | {place.name("run.json")}
    for vm in place.vms:
        run = vm.disk / "run"
        lost |= {place.name(path.relative_to(run).as_posix()) for path in run.rglob("*") if path.is_file()}
        lost |= {place.name(f"journal/{path.stem}-{path.stat().st_size}.jsonl") for path in run.glob("journal/*")}
    place.fs.change(lost=lost)


def _mount_anew(place: MountPlace) -> None:
    place.fs.unmount()
    place.fs.conditions = dataclasses.replace(place.fs.conditions, lost=frozenset())
    place.fs.mount()


def _fill_drive(place: MountPlace) -> None:
    used = sum(path.stat().st_size for path in place.fs.cloud.rglob("*") if path.is_file())
    place.fs.change(drive_space=used + 20_000)


_FELT_IN = {"mkdir": "first start", "read": "restore on a new VM", "unlink": "delete an old one"}


def _eio(operation: str) -> MountFault:
    return MountFault(
        row="an input/output error, in whatever is asked of the mount",
        name=operation,
        begin=_changes(eio={operation}),
        end=_changes(eio=()),
        felt_in=_FELT_IN.get(operation, "several packs"),
    )


MOUNT_FAULTS: tuple[MountFault, ...] = (
    MountFault(row="no connection", begin=_changes(offline=True), end=_changes(offline=False)),
    MountFault(row="an upload that never ends, though the mount lives", begin=_lose, end=_mount_anew, until=_MOUNTED),
    *map(
        _eio,
        (
            "write",
            "open",
            "create",
            "read",
            "readdir",
            "getattr",
            "getxattr",
            "fsync",
            "rename",
            "unlink",
            "flush",
            "mkdir",
            "statfs",
        ),
    ),
    MountFault(
        row="no right to write",
        begin=_changes(erofs=True),
        end=_changes(erofs=False),
        until="Drive is mounted read-write, or the folder is shared with the right to edit",
        refused=True,
    ),
    MountFault(
        row="the VM's disk is full",
        begin=_changes(local_space=0),
        end=_changes(local_space=None),
        until="there is room on it",
    ),
    MountFault(
        row="Drive is full",
        begin=_fill_drive,
        end=_changes(drive_space=None),
        until="there is room on Drive",
    ),
    MountFault(
        row="the mount has died",
        begin=lambda place: place.fs.die(),
        end=lambda place: place.fs.revive(),
        until=_MOUNTED,
    ),
    MountFault(
        row="the mount has died, and what it had not uploaded is lost",
        begin=lambda place: place.fs.die(),
        end=lambda place: place.fs.revive(fresh=True),
        until=_MOUNTED,
    ),
    MountFault(
        row="nothing is mounted",
        begin=lambda place: place.fs.unmount(),
        end=lambda place: place.fs.mount(),
        until=_MOUNTED,
    ),
    MountFault(
        row="more entries in a folder than Drive lists",
        begin=_changes(most_entries=1),
        end=_changes(most_entries=None),
        until="the folder has fewer entries",
    ),
    MountFault(
        row="the mount no longer tells what has been uploaded",
        begin=_changes(answers=()),
        end=_changes(answers=ATTRIBUTES),
    ),
)
