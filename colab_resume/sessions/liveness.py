"""Whether the session that a record tells of still lives."""

from __future__ import annotations

import os
from pathlib import Path

from .identity import SessionRecord
from .machine import process_started, read_boot_id

__all__ = ["SILENT_SECONDS", "is_elsewhere", "is_replaced", "lives_here"]

SILENT_SECONDS = 150.0
"""A session that gave no sign of life for so long is taken for dead; it gives one each minute."""

_PROC = Path("/proc")
_TOLERANCE = 2.0
"""Seconds by which the kernel's account of a start may differ from that of the clock."""


def is_elsewhere(record: SessionRecord) -> bool:
    """Whether it was made on another machine, of whose processes nothing is known here."""
    boot_id = read_boot_id()
    return boot_id is None or record.boot_id != boot_id


def is_replaced(record: SessionRecord, present: SessionRecord) -> bool:
    """Whether `present` is on the VM that came after that of the record: Colab gives a notebook one VM at a time.

    Both the notebook and the VMs must be known by Colab's own names for them.
    """
    known = record.notebook and record.endpoint and present.endpoint
    return bool(known) and record.notebook == present.notebook and record.endpoint != present.endpoint


def lives_here(record: SessionRecord) -> bool:
    """Whether its process, on this machine and not this one, is running."""
    if record.pid == os.getpid():
        return False
    try:
        return _started(record.pid) <= record.started + _TOLERANCE
    except (FileNotFoundError, ProcessLookupError):
        return False


def _started(pid: int) -> float:
    """When a process began, in seconds since 1970."""
    booted = next(line for line in (_PROC / "stat").read_text("ascii").splitlines() if line.startswith("btime "))
    return float(booted.split()[1]) + process_started(pid, _PROC)
