"""A mounted Google Drive that is none: Colab's DriveFS as far as a program can tell, with faults that a test switches.

    with DriveFS(tmp_path, held=True) as fs:
        (fs.drive / "a").write_bytes(b"x")      # on the VM at once, on Drive not yet
        fs.upload()                             # now it is
        assert (fs.cloud / "a").read_bytes() == b"x"

Every order has taken effect when the call returns; nothing here is waited for by sleeping. Nothing survives the end
of the block, of the test, or of the process: neither a mount nor a process.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
import threading
from pathlib import Path
from typing import Any, Self

from drivefs.conditions import Conditions
from drivefs.guard import Guarded

__all__ = ["DriveFS", "NotUploaded"]


class NotUploaded(AssertionError):
    """An upload was asked for that cannot be: offline, lost, Drive is full, or the file is open for writing."""


class DriveFS:
    """One VM's mount. `cloud` of another one makes this VM a second one, or a later one, of the same account.

    The further arguments are those of `Conditions`; `change` sets them anew.
    """

    def __init__(
        self, place: Path, *, mountpoint: Path | None = None, cloud: Path | None = None, **conditions: Any
    ) -> None:
        self.place = place
        self.mountpoint = mountpoint or place / "mount"
        self.cloud = cloud or place / "account" / "cloud"
        self.conditions = Conditions(**conditions)
        self._order = threading.Lock()
        self._guarded: Guarded | None = None

    @property
    def drive(self) -> Path:
        """MyDrive on the mount."""
        return self.mountpoint / "MyDrive"

    @property
    def trash(self) -> Path:
        """Drive's trash: files named `<id>-<name>`."""
        return self.cloud.with_name("trash")

    def __enter__(self) -> Self:
        self.mount()
        return self

    def __exit__(self, *_: object) -> None:
        self.unmount()

    def mount(self) -> None:
        """Mount; as on Colab not over files, which a program left there that did not look."""
        if self._guarded is not None:
            raise RuntimeError(f"{self.mountpoint} is mounted")
        for folder in (self.place, self.mountpoint, self.cloud):
            folder.mkdir(parents=True, exist_ok=True)
        if self.place.stat().st_dev != self.cloud.stat().st_dev:
            raise ValueError("the account and the VM's cache share files, so they must be on one disk")
        if any(self.mountpoint.iterdir()):
            raise ValueError("Mountpoint must not already contain files")
        self._orders, its_control = socket.socketpair()
        self._answers = self._orders.makefile(encoding="utf-8")
        places = [str(path.absolute()) for path in (self.cloud, self.place / "cache")]
        orders = [str(its_control.fileno()), self.conditions.to_json()]
        with its_control, (self.place / "log").open("ab") as log:
            self._guarded = Guarded("drivefs", self.mountpoint, *places, *orders, log=log, give=(its_control.fileno(),))
        try:
            self._answer()
        except BaseException:
            self.unmount()
            raise

    def unmount(self) -> None:
        """The mount point is a plain empty folder again. What was not uploaded waits in the cache for a next mount."""
        if self._guarded is None:
            return
        self._guarded.end()
        self._guarded = None
        self._answers.close()
        self._orders.close()
        log = self.place / "log"
        if "Traceback" in (text := log.read_text()):
            log.unlink()
            raise RuntimeError(f"the stand-in itself failed: {text}")

    @property
    def answers(self) -> bool:
        """Whether it is mounted and lives."""
        return self._guarded is not None and self._guarded.lives

    def die(self) -> None:
        """DriveFS gets SIGKILL: the mount stays, and every call on it fails with ENOTCONN."""
        if self._guarded is None:
            raise RuntimeError("there is no mount that could die")
        self._guarded.kill_server()

    def revive(self, *, fresh: bool = False) -> None:
        """Mount again after a death; `fresh` loses the cache, and with it whatever was not uploaded."""
        self.unmount()
        if fresh:
            shutil.rmtree(self.place / "cache")
        self.mount()

    def change(self, **conditions: Any) -> None:
        """Set some of the `Conditions`; the others stay."""
        self.conditions = dataclasses.replace(self.conditions, **conditions)
        self._ask("change", self.conditions.to_json())

    def hold(self) -> None:
        """From now on nothing is uploaded but by `upload`."""
        self.change(held=True)

    def let_go(self) -> None:
        """From now on files are uploaded in the background."""
        self.change(held=False)

    def upload(self, name: str | None = None) -> None:
        """Bring one file (its path below MyDrive), or all, to Drive, whatever holds them back; NotUploaded if not."""
        late: dict[str, str] = self._ask("upload", name)
        if failed := {each: why for each, why in late.items() if name in (None, each)}:
            raise NotUploaded(str(failed))

    def settle(self, seconds: float = 10.0) -> None:
        """Wait until nothing is on its way in the background any more; `pending` tells what failed or is kept back."""
        in_time, pending = self._ask("settle", seconds)
        if not in_time:
            raise NotUploaded(f"after {seconds} s: {pending}")

    def pending(self) -> dict[str, str]:
        """The files whose bytes Drive does not have, and why."""
        late: dict[str, str] = self._ask("pending", None)
        return late

    def _ask(self, verb: str, value: Any) -> Any:
        with self._order:
            self._orders.sendall(json.dumps({"verb": verb, "value": value}).encode() + b"\n")
            answer = self._answer()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["answer"]

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"the stand-in has ended: {(self.place / 'log').read_text()}")
        answer: dict[str, Any] = json.loads(line)
        return answer
