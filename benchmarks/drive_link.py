"""Drive's stand-ins (tests/drive_server, tests/drivefs) behind a link of a known speed, as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from .ways import LeftOut

__all__ = ["DriveLink", "mounted_drive"]

_TESTS = Path(__file__).parent.parent / "tests"


class DriveLink:
    """The API's stand-in; `rate` in bytes a second each way, `latency` in seconds for each request."""

    def __init__(self, folder: Path, *, rate: float, latency: float) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "drive_server", "--rate", str(rate), "--latency", str(latency)]
        command += ["--names-at-once", "--data", str(folder / "contents")]
        (folder / "contents").mkdir()
        environment = {**os.environ, "PYTHONPATH": str(_TESTS)}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        lines = [self._line() for _ in range(5)]
        self.url, self.token_uri, _, self.refresh_token, key = lines
        # What a client is given that knows only Google's own addresses.
        self.key = folder / "key.json"
        secrets = json.loads(Path(key).read_text("utf-8"))
        self.key.write_text(json.dumps({**secrets, "token_uri": "https://oauth2.googleapis.com/token"}), "utf-8")
        self.own_key = folder / "own.json"
        self.own_key.write_text(json.dumps({**secrets, "token_uri": self.token_uri}), "utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def carried(self) -> dict[str, int]:
        """How many bytes have gone `up` and `down` so far."""
        self._order("carried")
        found: dict[str, int] = json.loads(self._line())
        return found

    def lose(self, after: int) -> None:
        """Break all uploads off, once, so many bytes from now."""
        self._order(f"lose {after}")

    def _order(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def tests_importable() -> Iterator[None]:
    """The stand-ins are the tests' own."""
    sys.path.insert(0, str(_TESTS))
    try:
        yield
    finally:
        sys.path.remove(str(_TESTS))


@contextmanager
def mounted_drive(folder: Path, *, rate: float) -> Iterator[Any]:
    """The mount's stand-in, whose uploads go at `rate`; LeftOut where nothing can be mounted."""
    with tests_importable():
        try:
            from drivefs.mount import DriveFS  # type: ignore[import-not-found]
        except ImportError as error:
            raise LeftOut(str(error)) from error
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        raise LeftOut("a mount needs root and /dev/fuse")
    folder.mkdir(parents=True, exist_ok=True)
    with DriveFS(folder, rate=rate) as drive:
        yield drive


def until(done: Any, seconds: float = 600.0) -> None:
    """Look again and again: the processes that are waited for tell nobody."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise RuntimeError(f"not done in {seconds:.0f} s")
        time.sleep(0.005)
