"""What the notebook server has written down about the kernel: when it was restarted, and whether it had died before.

A server that finds its kernel dead says "KernelRestarter: restarting kernel (1/5)", and those who listen to that say
"kernel <id> restarted"; a restart by hand is "Kernel restarted: <id>" or the second line alone (jupyter_client's
restarter.py and multikernelmanager.py). On Colab these are JSON lines. The log is only evidence: it may be absent,
unreadable or torn, and then it says nothing.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["Restart", "kernel_restarts"]

_COLAB_LOG = Path("/var/log/colab-jupyter.log")
_NEWEST = 512 * 1024
"""Bytes that are read, from the log's end; a line has some 150."""
_DIED = re.compile(r"KernelRestarter: restarting kernel")
_RESTARTED = re.compile(r"[Kk]ernel restarted: ([\w-]+)|kernel ([\w-]+) restarted\b")
_BY_HAND = re.compile(r"Kernel restarted:")
_TOGETHER = 3.0
"""Seconds within which lines tell of the same restart."""


@dataclass(frozen=True)
class Restart:
    """At `at` (seconds since 1970) the kernel was begun anew: because it had died, or because somebody said so."""

    at: float
    died: bool


@dataclass(frozen=True)
class _Line:
    at: float
    died: bool
    by_hand: bool
    kernel: str


def kernel_restarts(path: Path = _COLAB_LOG, *, kernel_id: str = "") -> tuple[Restart, ...]:
    """The newest ones that the log tells of, the oldest first; with `kernel_id`, none of other kernels."""
    groups: list[list[_Line]] = []
    for line in sorted(_lines(path), key=lambda line: line.at):
        if groups and _belongs(line, groups[-1]):
            groups[-1].append(line)
        else:
            groups.append([line])
    return tuple(
        Restart(group[0].at, died=any(line.died for line in group)) for group in groups if _is_of(group, kernel_id)
    )


def _belongs(line: _Line, group: list[_Line]) -> bool:
    """Whether it tells of the same restart: in each a kernel dies once or is restarted by hand once, and not both."""
    if (line.died or line.by_hand) and any(one.died or one.by_hand for one in group):
        return False
    return line.at - group[-1].at <= _TOGETHER


def _is_of(group: list[_Line], kernel_id: str) -> bool:
    named = {line.kernel for line in group if line.kernel}
    return not named or not kernel_id or kernel_id in named


def _lines(path: Path) -> list[_Line]:
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - _NEWEST))
            content = log.read(_NEWEST)
    except OSError:
        return []
    # A first line that was cut in two is no JSON, and so says nothing.
    return [line for one in content.split(b"\n") if b"ernel" in one and (line := _read(one)) is not None]


def _read(content: bytes) -> _Line | None:
    try:
        members = json.loads(content)
        text, at = members["msg"], _seconds(members["time"])
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        return None
    if not isinstance(text, str) or not math.isfinite(at):
        return None
    died, restarted = _DIED.search(text), _RESTARTED.search(text)
    if died is None and restarted is None:
        return None
    by_hand = _BY_HAND.search(text) is not None
    return _Line(at, died is not None, by_hand, (restarted[1] or restarted[2]) if restarted else "")


def _seconds(time: object) -> float:
    """Of the JSON lines' `time`, as `2026-11-20T14:02:11.000Z`."""
    if isinstance(time, int | float):
        return float(time)
    moment = datetime.fromisoformat(str(time))
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
