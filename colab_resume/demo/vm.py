"""One VM of the demo: a process group that trains, with a disk of its own, until it ends or is killed.

Promises: after `close` no process of it is left, and whatever it had told before it died can still be read.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ColabResumeError

__all__ = ["Folders", "TrainingFailed", "VM"]

_SILENCE_SECONDS = 90.0
_TAIL_LINES = 20


class TrainingFailed(ColabResumeError):
    """A training of the demo ended though nobody killed it, or says nothing any more."""


@dataclass(frozen=True)
class Folders:
    """Where one training keeps what: the disk is lost with a VM, the Drive stays. `data` is there for all."""

    root: Path
    data: Path

    @property
    def disk(self) -> Path:
        return self.root / "disk"

    @property
    def drive(self) -> Path:
        return self.root / "drive"

    @property
    def result(self) -> Path:
        return self.root / "result"

    def log(self, life: int) -> Path:
        return self.root / f"life-{life}.log"


class VM:
    """Starts at once, on an empty disk."""

    def __init__(self, folders: Folders, *, life: int, epochs: int) -> None:
        folders.drive.mkdir(parents=True, exist_ok=True)
        folders.disk.mkdir()
        self._folders = folders
        self._log = folders.log(life)
        self._text = b""
        self._heard = time.monotonic()
        self.pipe, end = os.pipe()
        os.set_blocking(self.pipe, False)
        command = [sys.executable, "-m", f"{__package__}.training", f"--epochs={epochs}", f"--pipe={end}"]
        command += [f"--{name}={getattr(folders, name)}" for name in ("data", "disk", "drive", "result")]
        try:
            with self._log.open("wb") as log:
                # A session of its own makes it the leader of a group, in which its workers die with it.
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[end],
                    start_new_session=True,
                )
        except BaseException:
            os.close(self.pipe)
            raise
        finally:
            os.close(end)

    def told(self) -> Iterator[dict[str, Any]]:
        """What it has told since the last call, without waiting."""
        with suppress(BlockingIOError):  # it lives and has no more to tell at the moment
            while block := os.read(self.pipe, 1 << 16):
                self._text += block
                self._heard = time.monotonic()
        *lines, self._text = self._text.split(b"\n")
        yield from map(json.loads, lines)

    def has_ended(self) -> bool:
        """Whether it came to its end by itself; raises `TrainingFailed` if that was no good end."""
        # Seen but not reaped yet: until then its number is nobody else's, and its group can be killed safely.
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() - self._heard > _SILENCE_SECONDS:
                raise self._failure(f"has told nothing for {_SILENCE_SECONDS:.0f} s")
            return False
        self.kill()
        if self._process.returncode:
            raise self._failure(f"ended with status {self._process.returncode}, and the demo had not killed it")
        return True

    def kill(self) -> None:
        """At once and without a warning, as VMs end."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        """Kill what still runs, and take the disk away; closing again is harmless."""
        self.kill()
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1
            shutil.rmtree(self._folders.disk)

    def _failure(self, how: str) -> TrainingFailed:
        with self._log.open(encoding="utf-8", errors="replace") as log:
            tail = "  ".join(deque(log, _TAIL_LINES)).rstrip()
        return TrainingFailed(
            f"a training {how}; the last it said:\n  {tail or '(nothing)'}",
            hint="if this is not about memory or a full disk, please report it",
        )
