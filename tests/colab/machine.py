"""A VM from the inside: its disk over this machine's software, its names, and the process that all in it hangs on.

The disk is an overlay on a tmpfs of its own, both mounted in a namespace that ends with the last process of the VM:
nothing of it is left behind, whatever ends first.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from colab import system

__all__ = ["CGROUP_EVENTS", "LOG", "Plan", "be_a_machine", "ending_here", "log", "write_memory_events"]

LOG = Path("/var/log/colab-jupyter.log")
CGROUP_EVENTS = (Path("/sys/fs/cgroup/memory.events"), Path("/var/colab/cgroup/jupyter-children/memory.events"))
PROJECT = Path(__file__).parents[2]

# A fresh VM has none of what this machine has there.
_EMPTY = ("content", "root", "tmp")
_SAMPLES = {"README.md": "This directory includes a few sample datasets to get you started.\n", "anscombe.json": "[]\n"}


_NVIDIA_SMI = """#!/bin/sh
case "$*" in
-L) echo 'GPU 0: {gpu} (UUID: GPU-00000000-0000-0000-0000-000000000000)' ;;
*--query-gpu=name*) echo '{gpu}' ;;
*) echo 'nvidia-smi of the desk: it knows -L and --query-gpu=name only' >&2; exit 2 ;;
esac
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a VM is to be; `place` is an empty folder outside of it, `memory` None where it cannot be limited."""

    name: str
    place: str
    boot_id: str
    host_name: str
    endpoint: str
    gpu: str | None
    disk: int
    memory: int | None


def be_a_machine(plan: Plan, serve: Callable[[], None]) -> NoReturn:
    """Process 1 of the VM: makes it, lets a child `serve`, and ends with it; then the system ends all the others."""
    system.die_with_parent()
    system.unshare(system.NEW_MOUNTS | system.NEW_NAMES | system.NEW_IPC)
    system.mount("", "/", flags=system.PRIVATE | system.RECURSIVE)
    socket.sethostname(plan.host_name)
    root = _make_disk(plan)
    _mount_system(root, plan)
    os.chroot(root)
    os.chdir("/")
    _furnish(plan)
    if (server := os.fork()) == 0:
        ending_here(serve)
    while os.wait()[0] != server:
        pass
    os._exit(0)


def ending_here(work: Callable[[], object]) -> NoReturn:
    """In a forked process: work, and end without the frames of the process that this one was forked from."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it must not go on in the parent's frames
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _make_disk(plan: Plan) -> Path:
    space, root = Path(plan.place, "space"), Path(plan.place, "root")
    space.mkdir()
    root.mkdir()
    system.mount("tmpfs", space, "tmpfs", data=f"size={plan.disk}")
    upper, work = space / "upper", space / "work"
    upper.mkdir()
    work.mkdir()
    for name in _EMPTY:
        (upper / name).mkdir()
        os.setxattr(upper / name, "trusted.overlay.opaque", b"y")
    (upper / "tmp").chmod(0o1777)
    system.mount("overlay", root, "overlay", data=f"lowerdir=/,upperdir={upper},workdir={work}")
    # A folder before what lies in it, which it brings along.
    for software in sorted({path.resolve() for path in (PROJECT, Path(sys.prefix), Path(sys.base_prefix))}):
        _bring(software, root)
    return root


def _bring(software: Path, root: Path) -> None:
    """What lies on another disk, or where a fresh VM has nothing, is not to be seen in the overlay by itself."""
    inside = root / software.relative_to("/")
    if inside.is_dir() and any(inside.iterdir()):
        return
    inside.mkdir(parents=True, exist_ok=True)
    system.mount(str(software), inside, flags=system.BIND | system.RECURSIVE)
    system.mount("", inside, flags=system.BIND | system.REMOUNT | system.READ_ONLY)


def _mount_system(root: Path, plan: Plan) -> None:
    system.mount("proc", root / "proc", "proc")
    system.mount("/dev", root / "dev", flags=system.BIND | system.RECURSIVE)
    system.mount("tmpfs", root / "dev/shm", "tmpfs")
    system.mount("sysfs", root / "sys", "sysfs", flags=system.READ_ONLY)
    system.mount("tmpfs", root / "sys/fs/cgroup", "tmpfs")
    boot_id = Path(plan.place, "space", "boot_id")
    boot_id.write_text(plan.boot_id + "\n")
    system.mount(str(boot_id), root / "proc/sys/kernel/random/boot_id", flags=system.BIND)


def _furnish(plan: Plan) -> None:
    """The files that a hosted VM is known by."""
    for name, text in _SAMPLES.items():
        _write(Path("/content/sample_data", name), text)
    _write(Path("/content/.config/active_config"), "default")
    _write(Path("/var/colab/hostname"), plan.endpoint + "\n")
    _write(Path("/etc/hostname"), plan.host_name + "\n")
    _write(Path("/.dockerenv"), "")
    Path("/opt/google/drive").mkdir(parents=True, exist_ok=True)
    if plan.gpu is not None:
        _write(Path("/usr/bin/nvidia-smi"), _NVIDIA_SMI.format(gpu=plan.gpu))
        Path("/usr/bin/nvidia-smi").chmod(0o755)
    LOG.write_text("")
    write_memory_events(0)


def write_memory_events(kills: int) -> None:
    """As version 2 of the cgroups tells it, which Colab has."""
    for path in CGROUP_EVENTS:
        _write(path, f"low 0\nhigh 0\nmax {kills}\noom {kills}\noom_kill {kills}\noom_group_kill 0\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def log(message: str, *, time: str, level: int = 30) -> None:
    """A line of the server's log."""
    line = {"pid": os.getpid(), "type": "jupyter", "level": level, "msg": message, "time": time, "v": 0}
    # A server whose disk is full goes on without a log.
    with suppress(OSError), LOG.open("a") as file:
        file.write(json.dumps(line) + "\n")
