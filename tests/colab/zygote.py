"""A warm process that VMs are forked from, and that leaves none behind: `python -m colab.zygote LINE`.

It has imported what every kernel imports, and has a single thread. Whatever ends the desk closes its line; then, as
when the zygote itself dies, no VM is left.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from colab import parcels, system
from colab.kernel import warm_up
from colab.machine import PROJECT, Plan, be_a_machine, ending_here
from colab.memory import Memory
from colab.server import Server

__all__ = ["PATHS", "Zygote"]

PATHS = (
    PROJECT / ".venv/colab",
    Path(__file__).with_name("on_the_vm"),
    PROJECT,
    PROJECT / "tests",
)
"""Where Python looks first on a VM."""
_LONGEST = 60.0


class Zygote:
    """The warm process, seen from the desk."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._line, its_line = parcels.pair()
        self._line.settimeout(_LONGEST)
        with its_line, log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "colab.zygote", str(its_line.fileno())],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, PATHS))},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[its_line.fileno()],
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.ask({})

    def boot(self, plan: Plan, line: socket.socket) -> int:
        """A VM whose server hears on `line`; the id of its first process."""
        return int(self.ask({"boot": asdict(plan)}, line.fileno()))

    def end(self, pid: int) -> None:
        """No process of this VM is left when this returns."""
        self.ask({"end": pid})

    def ask(self, order: dict[str, Any], *descriptors: int) -> Any:
        parcels.send(self._line, order, *descriptors)
        answer, _ = parcels.receive(self._line)
        if answer is None:
            raise RuntimeError(f"the zygote has ended: {self.log.read_text()}")
        return answer["answer"]

    def close(self) -> None:
        """No VM is left when this returns, nor the zygote."""
        self._line.close()
        self._process.wait()


class _Nursery:
    """The VMs, in the zygote."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._memories: dict[int, Memory | None] = {}
        self._own_processes = os.open("/proc/self/ns/pid", os.O_RDONLY)

    def obey(self) -> bool:
        order, descriptors = parcels.receive(self._line)
        if order is None:
            return False
        answer = None
        if "boot" in order:
            answer = self._boot(Plan(**order["boot"]), socket.socket(fileno=descriptors[0]))
        elif "end" in order:
            self._end(order["end"])
        parcels.send(self._line, {"answer": answer})
        return True

    def _boot(self, plan: Plan, line: socket.socket) -> int:
        assert threading.active_count() == 1, threading.enumerate()
        memory = Memory(f"colab-{os.getpid()}-{plan.name}", plan.memory) if plan.memory else None
        system.unshare(system.NEW_PROCESSES)
        if (pid := os.fork()) == 0:
            self._line.close()
            ending_here(lambda: be_a_machine(plan, Server(line, memory).serve))
        system.enter(self._own_processes, system.NEW_PROCESSES)
        line.close()
        self._memories[pid] = memory
        return pid

    def _end(self, pid: int) -> None:
        if pid not in self._memories:
            return
        os.kill(pid, signal.SIGKILL)
        # The system has ended every other process of the VM before it lets go of the first.
        os.waitpid(pid, 0)
        if memory := self._memories.pop(pid):
            memory.close()

    def close(self) -> None:
        for pid in list(self._memories):
            self._end(pid)


def main() -> None:
    warm_up()
    with socket.socket(fileno=int(sys.argv[1])) as line:
        nursery = _Nursery(line)
        with suppress(KeyboardInterrupt):
            while nursery.obey():
                pass
        nursery.close()
    os._exit(0)


if __name__ == "__main__":
    main()
