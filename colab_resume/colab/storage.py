"""Where checkpoints go if the user names no remote: the best that works in this place, said in one line.

The line also says what the storage survives. Where none works that outlives the VM, the error says what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from .choices import Choices
from .mount_table import drive_mount
from .place import Kind, Place

__all__ = ["DRIVE_CHOICE", "FOLDER", "MOUNT_POINT", "Storage", "WITH_DRIVE", "choose_storage"]

FOLDER = "colab_resume"
"""The folder for all runs, on Drive as elsewhere."""
MOUNT_POINT = Path("/content/drive")
DRIVE_CHOICE = "drive folder"
"""Under this name `Choices` knows the folder that stands for Drive where there is none."""

WITH_DRIVE = (Kind.COLAB, Kind.COLAB_GCE, Kind.COLAB_ENTERPRISE, Kind.COLAB_LOCAL)
"""Where Drive may be mounted by Colab itself."""
_KAGGLE = Path("/kaggle/working")
_ELSEWHERE = 'or say where: setup(..., remote="gs://bucket/folder"), or drive=False for this machine\'s disk alone'


@dataclass(frozen=True, kw_only=True)
class Storage:
    """`remote`: for `open_remote`; None for the store on this machine's disk alone. `line`: what it is, for people.

    `mount`: where Drive must be mounted before the remote is opened; `mount_drive` does nothing if it is already.
    """

    remote: Path | None
    line: str
    mount: Path | None = None
    confirms: bool = True
    """Whether what lies there survives this machine for certain; else nothing there is called safe."""


def choose_storage(
    place: Place,
    *,
    drive: bool,
    disk: Path,
    choices: Choices | None = None,
    mounted: Callable[[], Path | None] = drive_mount,
) -> Storage:
    """The best storage that works here. `drive`: whether it may be Google Drive, or the folder that stands for it.
    `disk`: the folder of all stores on this machine's own disk.

    Raises `UsageError` where Drive is meant and cannot be had.
    """
    if place.kind is Kind.KAGGLE:
        return _kaggle()
    if not drive:
        return _this_disk(place, disk)
    # Elsewhere what is mounted as Drive somewhere is somebody else's affair.
    if place.kind in WITH_DRIVE and (point := mounted()) is not None:
        return _on_drive(point)
    match place.kind:
        case Kind.COLAB:
            return _to_be_mounted(place)
        case Kind.COLAB_ENTERPRISE | Kind.COLAB_GCE:
            raise UsageError(
                f"{place.kind.value} cannot mount Google Drive, and this VM's disk goes with it",
                hint='give a bucket: setup(..., remote="gs://bucket/folder"); or drive=False for this disk alone',
            )
    stands_for_drive = (choices or Choices()).get(DRIVE_CHOICE)
    if stands_for_drive is not None and Path(stands_for_drive).is_dir():
        return _chosen_folder(Path(stands_for_drive))
    return _this_disk(place, disk)


def _on_drive(point: Path) -> Storage:
    remote = point / "MyDrive" / FOLDER
    return Storage(
        remote=remote,
        mount=point,
        line=f"checkpoints go to Google Drive (MyDrive/{FOLDER}): they survive this VM",
    )


def _to_be_mounted(place: Place) -> Storage:
    if place.can_ask:
        return _on_drive(MOUNT_POINT)
    raise UsageError(
        "Google Drive is not mounted, and a script cannot mount it: Colab asks for consent only in a cell",
        hint=f"run colab_resume.setup(...) or drive.mount('{MOUNT_POINT}') in a cell first, {_ELSEWHERE}",
    )


def _kaggle() -> Storage:
    return Storage(
        remote=_KAGGLE / FOLDER,
        confirms=False,
        line=f"checkpoints go to {_KAGGLE / FOLDER}: they survive the kernel, and the session only if "
        'Persistence is set to "Files only" (Settings), or as output of Save Version',
    )


def _chosen_folder(folder: Path) -> Storage:
    line = f"checkpoints go to {folder / FOLDER}, which you chose to stand for Google Drive: they survive what it does"
    return Storage(remote=folder / FOLDER, line=line)


def _this_disk(place: Place, disk: Path) -> Storage:
    vm = place.kind in (Kind.COLAB, Kind.COLAB_ENTERPRISE, Kind.COLAB_GCE)
    survives = "restarts of the kernel, not the VM" if vm else "processes and kernels, not the machine"
    more = "" if vm else '; remote="..." says where else'
    return Storage(
        remote=None,
        line=f"checkpoints stay on this machine's disk ({disk}): they survive {survives}{more}",
    )
