"""A process that serves a mount, and one beside it that cleans up, whatever ends first.

The server can be killed as Colab's DriveFS dies: the mount stays and every call on it fails. The guard does nothing but
wait for the end of the process that started it, by the lifeline between the two, and leaves neither mount nor server.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

__all__ = ["Guarded", "guard"]

_LAZILY = 2  # MNT_DETACH
_LOOK = 500
"""Milliseconds between looks for the parent: a process that it forked may keep the lifeline open."""


class Guarded:
    """The guard, and the server it watches, as seen by a test."""

    def __init__(self, module: str, mountpoint: Path, *arguments: str, log: IO[bytes], give: tuple[int, ...]) -> None:
        self._lifeline, its_lifeline = socket.socketpair()
        with its_lifeline:
            number = its_lifeline.fileno()
            self._guard = subprocess.Popen(
                [sys.executable, "-m", module, str(number), str(mountpoint.absolute()), *arguments],
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=log,
                stderr=log,
                pass_fds=[number, *give],
                start_new_session=True,
            )
        self._server: int | None = int(self._lifeline.recv(16))

    @property
    def lives(self) -> bool:
        """Whether nobody has killed it."""
        return self._server is not None

    def kill_server(self) -> None:
        """It is gone when this returns, with all its descriptors."""
        if self._server is None:
            raise RuntimeError("it has been killed before")
        os.kill(self._server, signal.SIGKILL)
        self._server = None
        self._lifeline.recv(1)

    def end(self) -> None:
        """No mount and no process is left when this returns."""
        self._lifeline.close()
        self._guard.wait()


def guard(server: int, lifeline: socket.socket, mountpoint: str) -> None:
    """Tell of the server and of its death; end with the process that started this one."""
    parent = os.getppid()
    lifeline.sendall(str(server).encode())
    ends, death = select.poll(), os.pidfd_open(server)
    ends.register(lifeline, select.POLLIN | select.POLLHUP)
    ends.register(death, select.POLLIN)
    alive = True
    while _lives(parent):
        ready = [descriptor for descriptor, _ in ends.poll(_LOOK)]
        if lifeline.fileno() in ready:
            break
        if death in ready:
            ends.unregister(death)
            os.waitpid(server, 0)
            alive = False
            lifeline.sendall(b"!")
    if alive:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
    ctypes.CDLL(None).umount2(os.fsencode(mountpoint), _LAZILY)


def _lives(parent: int) -> bool:
    """A killed process whose thread waits for an answer of the server keeps its id, and its end of the lifeline."""
    if os.getppid() != parent:
        return False
    state = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[0]
    return state not in ("X", "Z")


def main() -> None:
    """Guard a program: `python -m drivefs.guard LIFELINE MOUNTPOINT PROGRAM ...`."""
    lifeline, mountpoint, *program = sys.argv[1:]
    with socket.socket(fileno=int(lifeline)) as line:
        guard(os.spawnvp(os.P_NOWAIT, program[0], program), line, mountpoint)


if __name__ == "__main__":
    main()
