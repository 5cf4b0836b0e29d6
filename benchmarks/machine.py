"""Where it was measured, told so that nobody learns which machine it was."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

__all__ = ["describe"]


def describe(folder: Path) -> str:
    """Cores, memory, the file system that `folder` is on, and the versions that matter."""
    shared = "shared " if _is_virtual() else ""
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    torch_version, _, build = torch.__version__.partition("+")
    parts = [
        f"{len(os.sched_getaffinity(0))} {shared}cores",
        f"{memory} GB",
        _file_system(folder),
        f"torch {torch_version} {(build or 'default build').upper()}",
        f"Python {platform.python_version()}",
    ]
    return ", ".join(parts)


def _is_virtual() -> bool:
    """A virtual core is one that others use too."""
    return "hypervisor" in Path("/proc/cpuinfo").read_text("utf-8")


def _file_system(folder: Path) -> str:
    """The kind of the mount that is nearest above the folder."""
    rows = (line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines())
    above = [(row[1], row[2]) for row in rows if folder.resolve().is_relative_to(row[1])]
    return max(above, key=lambda mount: len(mount[0]))[1]
