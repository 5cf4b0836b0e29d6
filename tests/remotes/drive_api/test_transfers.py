"""Several transfers at once, and large ones: whole, and in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from contract_remote import BIG, read
from drive_server import faults
from drive_server.faults import Fault
from drive_server.server import DriveServer
from remotes.drive_api.clients import client, only_file

from colab_resume.remotes import BytesSource, FileSource
from colab_resume.remotes.drive_api.pace import Pace

__all__: list[str] = []

MIB = 1 << 20


def test_a_request_grows_to_its_most_and_shrinks_to_a_mib() -> None:
    """Only a full one that was quick says that more would do."""
    pace = Pace(2 * MIB, 8 * MIB)
    pace.carried(2 * MIB - 1, 0.0)
    pace.carried(2 * MIB, 5.0)
    assert pace.size == 2 * MIB
    for _ in range(9):
        pace.carried(pace.size, 4.9)
    assert pace.size == 8 * MIB
    for _ in range(9):
        pace.broke()
    assert pace.size == MIB


def test_four_threads_at_once(drive_server: DriveServer) -> None:
    """Puts, gets and lists of different names, over a line that breaks now and then."""
    remote = client(drive_server)
    for skip in (5, 20, 40, 60):
        drive_server.faults.add(Fault("resumable.put", faults.CloseAmid(100_000), skip=skip))
        drive_server.faults.add(Fault("drive.files.get_media", faults.Short(by=1000), skip=skip))

    def work(thread: int) -> None:
        data = BIG[thread:]
        for number in range(4):
            name = f"folder-{number}/{thread}"
            remote.put(name, BytesSource(data))
            assert read(remote, name) == data
            assert name in {entry.name for entry in remote.list(f"folder-{number}")}

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert only_file(drive_server, "folder-3/3").size == len(BIG) - 3


class Counting(RawIOBase):
    """A sink that keeps nothing."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, data: object, /) -> int:
        size = len(cast("bytes", data))
        self.count += size
        return size


@dataclass
class Peak:
    """What this process had in hand at most."""

    size: int = 0

    def __enter__(self) -> Peak:
        tracemalloc.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


@pytest.mark.slow
def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    """100 MB up and down, with requests as large as they get; the server is a process of its own."""
    path = tmp_path / "large"
    with path.open("wb") as stream:
        for _ in range(100):
            stream.write(BIG[:1_000_000])
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "drive_server"]
    pipe = subprocess.PIPE
    # It serves until its standard input ends, which leaving this block brings about.
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as server:
        assert server.stdout is not None
        url, _, token = (server.stdout.readline().strip() for _ in range(3))
        try:
            _measure(url, token, path)
        finally:
            assert server.stdin is not None
            server.stdin.close()


def _measure(url: str, token: str, path: Path) -> None:
    from google.oauth2.credentials import Credentials

    from colab_resume.remotes.drive_api import DriveAPI

    remote = DriveAPI("runs", credentials=Credentials(token), root_url=url, chunk=32 * MIB)
    remote.put("warm", BytesSource(b"x"))
    with Peak() as up:
        remote.put("large", FileSource(path))
    sink = Counting()
    with Peak() as down:
        remote.get("large", cast(BinaryIO, sink))
    assert sink.count == 100_000_000
    assert up.size < 4_000_000
    assert down.size < 40_000_000
