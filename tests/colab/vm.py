"""One VM on the desk, from outside: what a user does to it, and what happens to it."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import socket
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivefs.mount import DriveFS

from colab import parcels, system
from colab.environment import environment
from colab.front_end import FrontEnd, Kind
from colab.machine import Plan
from colab.notebook import Notebook

if TYPE_CHECKING:
    from colab.desk import Desk

__all__ = ["Vm"]

_FILLER = "/var/tmp/filler"
_LEAST = 4096
_LONGEST = 60.0


class Vm:
    """Made by `Desk.boot`. `front_end` says how whoever sits in front of it answers; it can be changed at any time."""

    def __init__(self, desk: Desk, plan: Plan, *, front_end: Kind, drive: DriveFS) -> None:
        self.desk = desk
        self.plan = plan
        self.variables: dict[str, str] = {}
        """Further environment variables of kernels that are started from now on."""
        self.drive = drive
        """What is mounted, or would be: see `drivefs.mount`. Use `weather` to set its conditions."""
        self.mountpoint: str | None = None
        """Where Drive is mounted, as the VM sees it."""
        self.notebooks: list[Notebook] = []
        self.is_gone = False
        self._writable_again = False
        self._answers: deque[dict[str, Any]] = deque()
        self._line, its_line = parcels.pair()
        self._line.settimeout(_LONGEST)
        with its_line:
            self._pid = desk.zygote.boot(plan, its_line)
        self.order("hello")
        self.front = FrontEnd(self, front_end)

    @property
    def front_end(self) -> Kind:
        return self.front.kind

    @front_end.setter
    def front_end(self, kind: Kind) -> None:
        self.front.kind = kind

    def open(self, name: str = "Untitled0.ipynb") -> Notebook:
        """Open a notebook in a new tab, with a kernel of its own."""
        notebook = Notebook(self, name)
        self.notebooks.append(notebook)
        self.start(notebook)
        notebook.begin()
        return notebook

    @property
    def root(self) -> str:
        """Where this process finds the VM's files, while it lives."""
        if self.is_gone:
            raise RuntimeError(f"{self.plan.name} is gone")
        return f"/proc/{self._pid}/root"

    def path(self, inside: str) -> Path:
        """A file of the VM."""
        return Path(self.root + inside)

    def cut(self) -> None:
        """Everything is gone at once: processes, disk, and what was written to Drive and not uploaded."""
        if self.is_gone:
            return
        with ExitStack() as parts:
            parts.callback(shutil.rmtree, self.plan.place)
            for notebook in self.notebooks:
                parts.callback(notebook.end)
            parts.callback(self.front.close)
            parts.callback(self._line.close)
            parts.callback(self.desk.zygote.end, self._pid)
            # Whoever waits for an answer of DriveFS cannot die before it has one, or DriveFS is gone.
            parts.callback(self.drive.unmount)
            # None of its processes may come to see that DriveFS is gone.
            self.order("end")
            self.is_gone = True

    def fill_disk(self, leave: int = 0) -> None:
        """Other files take the VM's disk, and leave that many bytes of it."""
        with self.path(_FILLER).open("ab") as filler:
            at = os.fstat(filler.fileno()).st_size
            while (free := self._free() - leave) >= _LEAST:
                try:
                    os.posix_fallocate(filler.fileno(), at, free)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise  # else somebody was faster, and there is less of it now
                else:
                    at += free

    def free_disk(self) -> None:
        """They are gone."""
        self.path(_FILLER).unlink(missing_ok=True)

    def _free(self) -> int:
        space = os.statvfs(self.root + "/content")
        return space.f_bavail * space.f_frsize

    def weather(self, **conditions: Any) -> None:
        """Set some of the `drivefs.conditions.Conditions` of this VM's mount, now or for when there will be one."""
        if self.mountpoint is None:
            self.drive.conditions = dataclasses.replace(self.drive.conditions, **conditions)
        else:
            self.drive.change(**conditions)

    def break_drive(self) -> None:
        """DriveFS dies: every call on the mount fails with ENOTCONN, until somebody mounts it again."""
        self.drive.die()

    def mount(self, mountpoint: str, *, readonly: bool = False) -> None:
        """What `drive.mount` does once the user has agreed."""
        self.unmount()
        self.drive.mount()
        self.mountpoint = mountpoint
        if readonly and not self.drive.conditions.erofs:
            self._writable_again = True
            self.weather(erofs=True)
        tree = system.tree_of(self.drive.mountpoint)
        try:
            self.order("attach", tree, target=mountpoint)
        finally:
            os.close(tree)

    def unmount(self) -> None:
        """Without any care for what was not uploaded; it waits in the VM's cache for the next mount."""
        if self.mountpoint is not None:
            self.order("detach", target=self.mountpoint)
            self.drive.unmount()
            self.mountpoint = None
        if self._writable_again:
            self._writable_again = False
            self.weather(erofs=False)

    def start(self, notebook: Notebook) -> None:
        """A kernel for a notebook that has none."""
        values = environment(self.plan, notebook=notebook.name) | self.variables
        connection = notebook.connection.file()
        notebook.renew(self.order("start", name=notebook.kernel, connection=connection, environment=values))

    def order(self, verb: str, *descriptors: int, **arguments: Any) -> Any:
        """Have the VM's server do something, and wait until it is done."""
        if self.is_gone:
            raise RuntimeError(f"{self.plan.name} is gone")
        parcels.send(self._line, {"do": verb, **arguments}, *descriptors)
        while not self._answers:
            self.take()
        answer = self._answers.popleft()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["answer"]

    @property
    def line(self) -> socket.socket:
        return self._line

    def take(self) -> None:
        """What the server says: an answer, or that a kernel has died or come."""
        said, _ = parcels.receive(self._line)
        if said is None:
            raise RuntimeError(f"{self.plan.name} ended by itself: {self.desk.zygote.log.read_text()}")
        if "event" not in said:
            self._answers.append(said)
            return
        [notebook] = [each for each in self.notebooks if each.kernel == said["kernel"]]
        if said["event"] == "died":
            notebook.lose(said["status"])
        else:
            notebook.renew(said["pid"])
