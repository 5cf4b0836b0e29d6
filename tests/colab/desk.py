"""A Colab on the desk: what a test works with.

    with Desk(tmp_path) as desk:                      # a Google account with an empty Drive; no VM yet
        vm = desk.boot()                              # a fresh VM: empty /content, its own names, nothing mounted
        notebook = vm.open("digits.ipynb")            # a tab with a kernel of the releases that Colab ships
        notebook.run("from google.colab import drive; drive.mount('/content/drive')")
        cell = notebook.start(TRAINING)               # runs on
        cell.until("step 3")                          # ... until it has printed this
        vm.cut()                                      # processes, disk and what was not uploaded: gone at once
        assert cell.state == "gone"
        assert (desk.cloud / "digits").is_dir()       # MyDrive outlives every VM
        desk.boot().open().run(TRAINING).text         # the next one

A VM (`colab.vm`): `open`, `cut`, `fill_disk`, `free_disk`, `weather(offline=True, ...)`, `break_drive`, `path`,
`front_end = "web" | "silent" | "refuses"`. A notebook (`colab.notebook`): `run`, `start`, `value`, `interrupt`,
`restart`, `kill`, `crash`, `run_out_of_memory`, `disconnect`, `reconnect`, `click`, `widgets`, `exits`. A cell
(`colab.cells`): `wait`, `until`, `state`, `text`, `error`, `traceback`, `outputs`, `shown`.

In pytest the fixture `desk` is one; a folder's conftest.py imports it, `desk_zygote` and drivefs' `needs_fuse`. Kernels
see this project and `tests/`. What is not like Colab: VMs share this machine's network and clock, a GPU is only a name,
and after `authenticate_user` there is no metadata server that would give credentials to google-auth.

All happens in the test's own thread: whatever VMs and kernels say or ask is taken while the test waits for something
here. Nothing is left when the block ends, nor when this process is killed: no process, no mount, no cgroup.
"""

from __future__ import annotations

import itertools
import secrets
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import zmq
from drivefs.mount import DriveFS

from colab.front_end import Asked, Kind
from colab.machine import Plan
from colab.memory import why_no_limit
from colab.vm import Vm
from colab.zygote import Zygote

__all__ = ["Desk", "Hangs"]

_MB = 1 << 20
_TURN = 1.0
_GPUS = {
    "A100": "NVIDIA A100-SXM4-40GB",
    "H100": "NVIDIA H100 80GB HBM3",
    "L4": "NVIDIA L4",
    "T4": "Tesla T4",
}
"""As nvidia-smi calls them."""


class Hangs(AssertionError):
    """What was waited for did not come."""


class Desk:
    """`zygote`: one that serves several desks, one after the other; else this one starts and ends its own."""

    def __init__(self, place: Path, *, zygote: Zygote | None = None) -> None:
        self.place = place
        self.cloud = place / "account" / "cloud"
        """MyDrive, as it is at Google's."""
        self.vms: list[Vm] = []
        self.asked: list[Asked] = []
        """What front ends were asked, in order: `dfs_ephemeral` is the consent to mount Drive."""
        self.secrets: dict[str, str] = {}
        self.answer_script: Callable[[str], Any] = lambda script: None
        """What a browser answers to `output.eval_js`."""
        self.misuses: list[str] = []
        """Calls from another thread than the main one, which Colab does not answer."""
        self.given_back: list[str] = []
        """The VMs that ended by `runtime.unassign`."""
        self._own_zygote = zygote is None
        self._names = itertools.count(1)
        self.cloud.mkdir(parents=True)
        self.zygote = zygote or Zygote(place / "log")
        self.context: zmq.Context[Any] = zmq.Context()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut what still runs."""
        with ExitStack() as parts:
            if self._own_zygote:
                parts.callback(self.zygote.close)
            parts.callback(self.context.destroy, linger=0)
            for vm in self.vms:
                parts.callback(vm.cut)

    def boot(
        self,
        *,
        gpu: str | None = None,
        front_end: Kind = "web",
        disk: int = 256 * _MB,
        memory: int = 1024 * _MB,
        **conditions: Any,
    ) -> Vm:
        """A new VM, with that many bytes of disk and of memory; `conditions` are those of its mount (`drivefs`).

        `gpu`: "T4", "L4", "A100" or "H100"; only its name is there, as nvidia-smi gives it, and nothing computes on it.
        """
        number = next(self._names)
        place = self.place / f"vm-{number}"
        place.mkdir()
        plan = Plan(
            name=f"vm-{number}",
            place=str(place),
            boot_id=str(uuid.uuid4()),
            host_name=secrets.token_hex(6),
            endpoint=f"{f'gpu-{gpu.lower()}' if gpu else 'm'}-s-{secrets.token_hex(8)}",
            gpu=_GPUS[gpu] if gpu else None,
            disk=disk,
            memory=memory if why_no_limit() is None else None,
        )
        drive = DriveFS(place / "drive", cloud=self.cloud, **conditions)
        vm = Vm(self, plan, front_end=front_end, drive=drive)
        self.vms.append(vm)
        return vm

    def consents(self) -> list[str]:
        """What users were asked to agree to so far."""
        return [asked.kind for asked in self.asked if "ephemeral" in asked.kind]

    def until(self, condition: Callable[[], bool], seconds: float, what: str, *, nudge: float | None = None) -> None:
        """Let everything go on until this holds; `nudge`: seconds between two looks where nothing comes by itself."""
        if not self.wait(condition, seconds, nudge=nudge):
            raise Hangs(f"after {seconds} s still no sign of {what}\n{self._logs()}")

    def wait(self, condition: Callable[[], bool], seconds: float, *, nudge: float | None = None) -> bool:
        """The same; whether it came to that."""
        end = time.monotonic() + seconds
        while not condition():
            if (left := end - time.monotonic()) <= 0:
                return False
            self._turn(min(left, nudge or _TURN))
        return True

    def _logs(self) -> str:
        """What kernels wrote where no notebook shows it."""
        files = {vm.plan.name: vm.path("/var/log/colab-kernel.log") for vm in self.vms if not vm.is_gone}
        return "\n".join(f"{name}: {file.read_text()[-2000:]}" for name, file in files.items() if file.exists())

    def _turn(self, seconds: float) -> None:
        """Wait for a sign from anybody, and take all that there is."""
        living = [vm for vm in self.vms if not vm.is_gone]
        poller = zmq.Poller()
        for vm in living:
            poller.register(vm.line, zmq.POLLIN)
            poller.register(vm.front.listener, zmq.POLLIN)
            for notebook in vm.notebooks:
                for each in notebook.channels.sockets.values() if notebook.channels else ():
                    poller.register(each, zmq.POLLIN)
        ready = dict(poller.poll(seconds * 1000))
        for vm in living:
            for notebook in vm.notebooks:
                notebook.take()
            if vm.line.fileno() in ready:
                vm.take()
            if not vm.is_gone and vm.front.listener.fileno() in ready:
                vm.front.take()
