"""Drive is mounted only where it is not, with one consent; and whatever keeps it from that comes with what to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drivefs.mount import DriveFS

from colab_resume.colab.drive import mount_drive
from colab_resume.errors import RemoteError, RemoteRefused, RemoteUnavailable

mounts = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]


class TIMEOUT(Exception):
    """As pexpect raises it: with all its inside."""


def failing(error: Exception) -> Callable[[str], None]:
    def mount(mountpoint: str) -> None:
        raise error

    return mount


class TestOnAMount:
    """With a real one."""

    pytestmark = mounts

    def test_a_healthy_mount_is_left_alone(
        self, new_drive_fs: Callable[..., DriveFS], google_colab: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Colab would ask for consent all the same. Nothing is said."""
        fs = new_drive_fs()
        assert mount_drive(fs.mountpoint)
        assert google_colab.calls == []
        assert capsys.readouterr().out == ""

    def test_a_dead_one_is_mounted_again_but_not_by_force(
        self, new_drive_fs: Callable[..., DriveFS], google_colab: Any
    ) -> None:
        """By force would kill Drive's program together with what it has to upload."""
        fs = new_drive_fs()
        fs.die()
        google_colab.mount = lambda _: fs.revive()
        assert mount_drive(fs.mountpoint)
        assert google_colab.calls == [("mount", str(fs.mountpoint), False, 120000)]

    def test_one_that_hangs_is_told_and_not_waited_for(
        self, new_drive_fs: Callable[..., DriveFS], google_colab: Any
    ) -> None:
        """A mount may take minutes for an answer; nobody may wait that long without a word."""
        fs = new_drive_fs()
        fs.change(latency={"getattr": 3.0})
        begin = time.monotonic()
        with pytest.raises(RemoteUnavailable, match="has not answered"):
            mount_drive(fs.mountpoint, look_seconds=0.2)
        assert time.monotonic() - begin < 2.5
        assert google_colab.calls == []
        fs.change(latency={})

    def test_a_first_mount_is_announced_before_it_waits(
        self, new_drive_fs: Callable[..., DriveFS], google_colab: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With the limit of its patience."""
        fs = new_drive_fs()
        fs.unmount()
        said: list[str] = []

        def mount(mountpoint: str) -> None:
            said.append(capsys.readouterr().out)
            fs.mount()

        google_colab.mount = mount
        assert mount_drive(fs.mountpoint)
        assert "allow it in the window that opens; gives up after 2 min" in said[0]
        assert mount_drive(fs.mountpoint)
        assert len(google_colab.calls) == 1


def message_error(text: str) -> Exception:
    """Colab's own kind."""
    from google.colab._message import MessageError  # type: ignore[import-not-found]

    made: Exception = MessageError(text)
    return made


FAILURES: dict[str, tuple[Callable[[], Exception], type[RemoteError], str, str]] = {
    "an unticked box": (
        lambda: message_error("Error: credential propagation was unsuccessful"),
        RemoteUnavailable,
        "got no credentials for it (MessageError: Error: credential propagation was unsuccessful)",
        "every box of the consent window ticked",
    ),
    "declined": (lambda: message_error("Error: declined"), RemoteUnavailable, "front end refused", "ticked"),
    "nobody there": (lambda: ValueError("mount failed"), RemoteUnavailable, "nobody allowed it", "drive.mount"),
    "a full root": (
        lambda: ValueError("mount failed: timeout during initial read of root folder; for more info: https://x"),
        RemoteUnavailable,
        "top of My Drive",
        "once more",
    ),
    "policy": (
        lambda: ValueError("The domain policy has disabled Drive File Stream: https://x"),
        RemoteRefused,
        "Workspace",
        "administrator",
    ),
    "no Colab VM": (
        lambda: NotImplementedError("Mounting drive is unsupported in this environment. Use PyDrive instead."),
        RemoteRefused,
        "this machine cannot",
        'remote="gs://bucket/folder"',
    ),
    "a space": (
        lambda: ValueError("Mountpoint must not contain a space."),
        RemoteRefused,
        "no place for it",
        "without spaces",
    ),
    "a missing variable": (lambda: KeyError("TBE_EPHEM_CREDS_ADDR"), RemoteRefused, "TBE_EPHEM", "delete the runtime"),
    "pexpect": (lambda: TIMEOUT("Timeout exceeded.\n<popen_spawn object>\n..."), RemoteUnavailable, "in time", "again"),
    "unheard of": (lambda: RuntimeError("boom"), RemoteUnavailable, "RuntimeError: boom", "run the cell again"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_says_what_to_do(name: str, google_colab: Any, tmp_path: Path) -> None:
    """Not the text that Colab has for it alone."""
    make, kind, what, hint = FAILURES[name]
    google_colab.mount = failing(make())
    with pytest.raises(RemoteError) as raised:
        mount_drive(tmp_path / "drive")
    assert type(raised.value) is kind
    assert what in raised.value.what
    assert hint in raised.value.hint
    assert "\n" not in raised.value.what


def test_files_in_the_way_are_named_before_anybody_is_asked_and_stay(google_colab: Any, tmp_path: Path) -> None:
    """They are somebody's results; and a consent that leads nowhere is not asked for."""
    point = tmp_path / "drive"
    (point / "MyDrive").mkdir(parents=True)
    (point / "weights.pt").write_text("hours of work")
    with pytest.raises(RemoteRefused, match=r"MyDrive, weights\.pt") as raised:
        mount_drive(point)
    assert f"mv {point}" in raised.value.hint
    assert google_colab.calls == []
    assert (point / "weights.pt").read_text() == "hours of work"


def test_colab_may_be_the_one_who_finds_files_in_the_way(google_colab: Any, tmp_path: Path) -> None:
    """A dead mount hides them until it is taken away."""
    point = tmp_path / "drive"

    def mount(mountpoint: str) -> None:
        point.mkdir()
        (point / "left over").touch()
        raise ValueError("Mountpoint must not already contain files")

    google_colab.mount = mount
    with pytest.raises(RemoteRefused, match="left over"):
        mount_drive(point)


def test_a_mount_that_nobody_answers_ends(google_colab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Colab waits for."""
    from google.colab._message import wait_for_ever

    monkeypatch.setattr("colab_resume.colab.drive._PROGRAM_SECONDS", 0.1)
    google_colab.mount = lambda _: wait_for_ever()
    with pytest.raises(RemoteUnavailable, match="nothing happened"):
        mount_drive(tmp_path / "drive", seconds=0.1)


def test_a_mount_that_is_not_there_is_not_believed(google_colab: Any, tmp_path: Path) -> None:
    """What is written there would be on the VM's own disk."""
    with pytest.raises(RemoteUnavailable, match="and it is not"):
        mount_drive(tmp_path / "drive")


def test_where_it_cannot_be_tried_it_is_not(tmp_path: Path) -> None:
    """Without a google.colab."""
    assert not mount_drive(tmp_path / "drive")


def test_other_threads_leave_it_alone(google_colab: Any, tmp_path: Path) -> None:
    """Colab reads the answer from the main thread's input."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(mount_drive(tmp_path / "drive")))
    thread.start()
    thread.join()
    assert answers == [False]
    assert google_colab.calls == []
