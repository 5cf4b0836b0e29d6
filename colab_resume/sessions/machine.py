"""The facts about this process and its machine, found out by looking; nothing is imported, started or asked.

They tell one process, one machine and one way of dying from another. What cannot be found out here is unknown, which is
no error. Where to look can be given, for tests.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LONGEST_TEXT", "Machine", "count_oom_kills", "look", "one_line", "process_started", "read_boot_id"]

LONGEST_TEXT = 200
"""Characters of a text in a session's record."""

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_ENDPOINT = re.compile(r"/tun/m/[^/\s]+/([\w.-]+)")
_KERNEL_FILE = re.compile(rb"kernel-([\w-]+)\.json")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """`kernel_started`: when the process began, in seconds since the machine did; `place` and `gpu` are words."""

    host: str
    pid: int
    boot_id: str | None
    kernel_started: float | None = None
    oom_kills: int | None = None
    """How many processes the system has killed here because memory was short."""
    gpu: str = ""
    place: str = ""
    endpoint: str = ""
    """The VM's name at Colab, which is another one for each VM."""
    notebook: str = ""
    """The notebook's id at Colab, which gives a notebook one VM at a time."""
    kernel_id: str = ""
    """By which the notebook server calls this kernel; a restarted one keeps it."""


def look(
    *,
    gpu: str = "",
    place: str = "",
    environ: Mapping[str, str] = os.environ,
    proc: Path = _PROC,
    cgroups: Path = _CGROUPS,
) -> Machine:
    """The facts as they are now; `gpu` and `place` (as "T4", "Colab") are what others have found out."""
    endpoint = _ENDPOINT.search(environ.get("KMP_EXTRA_ARGS", ""))
    return Machine(
        host=one_line(socket.gethostname()) or "unknown",
        pid=os.getpid(),
        boot_id=read_boot_id(proc / "sys/kernel/random/boot_id"),
        kernel_started=_own_start(proc),
        oom_kills=count_oom_kills(environ=environ, cgroups=cgroups),
        gpu=one_line(gpu),
        place=one_line(place),
        endpoint=one_line(endpoint[1]) if endpoint else "",
        notebook=one_line(environ.get("COLAB_NOTEBOOK_ID", "")),
        kernel_id=_kernel_id(proc),
    )


def read_boot_id(path: Path = _PROC / "sys/kernel/random/boot_id") -> str | None:
    """Another one after each start of the machine; None where the system has none."""
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def process_started(pid: int, proc: Path = _PROC) -> float:
    """When a process began, in seconds since the machine did; a later one may have got its number.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    fields = (proc / str(pid) / "stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def count_oom_kills(*, environ: Mapping[str, str] = os.environ, cgroups: Path = _CGROUPS) -> int | None:
    """How many processes the system has killed because memory was short; None where nobody counts.

    Colab names the files that count in CGROUP_MEMORY_EVENTS; a kill may stand in several of them.
    https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.events), .../cgroup-v1/memory.html (memory.oom_control)
    """
    named = [Path(word) for word in environ.get("CGROUP_MEMORY_EVENTS", "").split()]
    for files in (named, [cgroups / "memory.events"], [cgroups / "memory/memory.oom_control"]):
        counts = [count for file in files if (count := _oom_kills_in(file)) is not None]
        if counts:
            return sum(counts)
    return None


def one_line(text: str) -> str:
    """The text as a record can hold it: printable, on one line, not too long."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    words = " ".join(shown.split())
    return words if len(words) <= LONGEST_TEXT else f"{words[: LONGEST_TEXT - 1]}…"


def _oom_kills_in(file: Path) -> int | None:
    try:
        lines = file.read_text("ascii").splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
    except (OSError, ValueError, IndexError):
        return None


def _own_start(proc: Path) -> float | None:
    try:
        return process_started(os.getpid(), proc)
    except (OSError, ValueError, IndexError):
        return None


def _kernel_id(proc: Path) -> str:
    """From the connection file on its own command line."""
    try:
        found = _KERNEL_FILE.search((proc / str(os.getpid()) / "cmdline").read_bytes())
    except OSError:
        return ""
    return one_line(found[1].decode("ascii", "replace")) if found else ""
