"""The Jupyter server of a VM: starts its kernels, restarts those that die, and does inside what the desk asks for."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from colab import machine, parcels, system
from colab.kernel import be_a_kernel
from colab.memory import Memory

__all__ = ["CONNECTIONS", "Server"]

CONNECTIONS = Path("/root/.local/share/jupyter/runtime")
_PAGE = 4096


@dataclass
class _Kernel:
    connection_file: Path
    environment: dict[str, str]
    pid: int
    handle: int
    ends: bool = False
    """Whether it was told to, so that it is not started again by itself."""


class Server:
    """Single-threaded, because it forks."""

    def __init__(self, line: socket.socket, memory: Memory | None) -> None:
        self._line = line
        self._memory = memory
        self._kernels: dict[str, _Kernel] = {}
        self._ends = False
        self._poll = select.poll()
        self._poll.register(line, select.POLLIN)
        self._verbs: dict[str, Callable[..., Any]] = {
            "attach": self._attach,
            "detach": system.detach,
            "end": self._end,
            "exhaust": self._exhaust,
            "expect": self._expect,
            "hello": lambda: None,
            "restarted": self._restarted,
            "signal": self._signal,
            "start": self._start,
        }

    def serve(self) -> None:
        """Until the desk lets go of the line, or says that this is the end."""
        while not self._ends:
            ready = {descriptor for descriptor, _ in self._poll.poll()}
            for name, kernel in list(self._kernels.items()):
                if kernel.handle in ready:
                    self._died(name, kernel)
            if self._line.fileno() in ready and not self._obey():
                return

    def _obey(self) -> bool:
        order, descriptors = parcels.receive(self._line)
        if order is None:
            return False
        try:
            answer = {"answer": self._verbs[order.pop("do")](*descriptors, **order)}
        except Exception as error:  # noqa: BLE001 - it is the desk that must hear of it
            answer = {"error": f"{type(error).__name__}: {error}"}
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        parcels.send(self._line, answer)
        return True

    def _start(self, name: str, connection: dict[str, Any], environment: dict[str, str]) -> int:
        """A kernel that did not run before; its process id as the VM sees it."""
        file = CONNECTIONS / f"kernel-{name}.json"
        for folder in (file.parent, Path(connection["ip"]).parent):
            folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(connection, indent=2))
        return self._fork(name, file, environment)

    def _fork(self, name: str, file: Path, environment: dict[str, str]) -> int:
        if (pid := os.fork()) == 0:
            self._line.close()
            be_a_kernel(file, environment, self._memory.join if self._memory else lambda: None)
        kernel = self._kernels[name] = _Kernel(file, environment, pid, os.pidfd_open(pid))
        self._poll.register(kernel.handle, select.POLLIN)
        return pid

    def _died(self, name: str, kernel: _Kernel) -> None:
        status = os.waitstatus_to_exitcode(os.waitpid(kernel.pid, 0)[1])
        self._poll.unregister(kernel.handle)
        os.close(kernel.handle)
        if self._memory:
            machine.write_memory_events(self._memory.kills())
        parcels.send(self._line, {"event": "died", "kernel": name, "status": status, "again": not kernel.ends})
        if kernel.ends:
            del self._kernels[name]
        else:
            _log("KernelRestarter: restarting kernel (1/5), keep random ports")
            pid = self._fork(name, kernel.connection_file, kernel.environment)
            _log(f"WARNING:root:kernel {name} restarted", level=40)
            parcels.send(self._line, {"event": "restarted", "kernel": name, "pid": pid})

    def _expect(self, name: str) -> None:
        self._kernels[name].ends = True

    def _restarted(self, name: str) -> None:
        _log(f"Kernel restarted: {name}")

    def _signal(self, name: str, number: int, *, group: bool) -> None:
        """A signal that has come too late is none."""
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self._kernels[name].pid, number)

    def _end(self) -> None:
        """All processes but this one and the first are as good as dead when this returns; nothing is started again."""
        self._ends = True
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)

    def _attach(self, tree: int, target: str) -> None:
        system.attach(tree, target)

    def _exhaust(self, name: str) -> None:
        """The VM's memory is used up by another process, and this kernel is what the system kills for it."""
        if self._memory is None:
            raise RuntimeError("the memory of this VM is not limited")
        kernel = self._kernels[name]
        _offer(kernel.pid, first=True)
        self._memory.tighten()
        if (hog := os.fork()) == 0:
            machine.ending_here(self._take_all)
        select.select([kernel.handle], [], [], 30)
        self._memory.loosen()
        os.kill(hog, signal.SIGKILL)
        os.waitpid(hog, 0)

    def _take_all(self) -> None:
        """Page by page, until somebody has been killed for it; what that one leaves is enough for the last page."""
        assert self._memory is not None
        before = self._memory.kills()
        _offer(os.getpid(), first=False)
        self._memory.join()
        taken = []
        while self._memory.kills() == before:
            taken.append(os.urandom(_PAGE))
        signal.pause()


def _offer(pid: int, *, first: bool) -> None:
    """Make it the first, or the second, that is killed for its memory; no right is needed to make that more likely."""
    Path(f"/proc/{pid}/oom_score_adj").write_text("1000" if first else "900")


def _log(message: str, level: int = 30) -> None:
    machine.log(message, time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"), level=level)
