"""A mount that has died is mounted again where somebody waits anyway, in the main thread, as Colab wants it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from drivefs.fixtures import needs_fuse, new_drive_fs
from drivefs.mount import DriveFS

import colab_resume
from colab_resume.colab.drive import mount_drive
from colab_resume.errors import NotSafe
from colab_resume.remotes.drive_mount import DriveMount

__all__ = ["needs_fuse", "new_drive_fs"]

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]


def on_colab(monkeypatch: pytest.MonkeyPatch, mount: Callable[..., None]) -> None:
    """As on a Colab VM, `from google.colab import drive` gives a module with this `mount`."""
    colab, drive = ModuleType("google.colab"), ModuleType("google.colab.drive")
    colab.drive = drive  # type: ignore[attr-defined]
    drive.mount = mount  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setitem(sys.modules, "google.colab.drive", drive)


def train(fs: DriveFS, store: Path) -> colab_resume.Run:
    """Three steps, during which the mount dies; the mirror meets that by itself."""
    run = colab_resume.setup("digits", remote=DriveMount(fs.drive / "runs", lag=0.0), store=store, every=1)
    values = run.state(n=0)
    for number in run.steps(3):
        values.n += 1
        if number == 0:
            run.flush(60)
            fs.die()
    give_up = time.monotonic() + 60
    while not run.status().problems:
        assert time.monotonic() < give_up
        threading.Event().wait(0.01)
    return run


@pytest.mark.parametrize("again", ["flush", "setup"])
def test_it_is_mounted_again_when_somebody_waits_or_the_cell_runs_again(
    new_drive_fs: Callable[..., DriveFS], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    """Once, at the same place; then all that waited is on Drive. The training itself is never held up for it."""
    fs, mounted = new_drive_fs(), list[str]()

    def mount(point: str, *, timeout_ms: int) -> None:
        mounted.append(point)
        fs.revive()

    on_colab(monkeypatch, mount)
    run = train(fs, tmp_path / "disk")
    assert mounted == []
    if again == "setup":
        colab_resume.setup("digits", store=tmp_path / "disk", every=1)
        assert mounted == [str(fs.mountpoint)]
    run.flush(60)
    assert mounted == [str(fs.mountpoint)]
    assert run.status().safe == 3
    run.finish()


def test_what_keeps_it_from_being_mounted_is_told(
    new_drive_fs: Callable[..., DriveFS], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do; and the checkpoints wait on the disk."""
    fs = new_drive_fs()

    def refuse(point: str, *, timeout_ms: int) -> None:
        raise ValueError("mount failed")

    on_colab(monkeypatch, refuse)
    run = train(fs, tmp_path / "disk")
    with pytest.raises(NotSafe, match="mount failed") as raised:
        run.flush(60)
    assert "drive.mount" in raised.value.hint
    assert run.status().saved == 3
    fs.revive()
    run.finish()


def test_it_is_left_alone_elsewhere_and_in_other_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no google.colab, and where Colab would refuse."""
    assert not mount_drive(tmp_path)
    on_colab(monkeypatch, lambda point, **_: pytest.fail("mounted in another thread"))
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(mount_drive(tmp_path)))
    thread.start()
    thread.join()
    assert answers == [False]
