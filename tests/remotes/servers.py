"""Real servers of S3 and of Google Cloud Storage, each in a process of its own, and how clients are told about them."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from colab_resume.remotes import Remote
from colab_resume.remotes.filesystem import open_filesystem

__all__ = ["SERVERS", "Server", "free_port", "gcs_server", "s3_server"]


@dataclass(frozen=True)
class Server:
    """A storage server in a process of its own, and how its client is told about it."""

    process: subprocess.Popen[bytes]
    port: int
    protocol: str
    options: dict[str, Any]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self, path: str, **options: Any) -> Remote:
        return open_filesystem(f"{self.protocol}://{path}", **self.options, **options)

    def client(self) -> Any:
        """The bare client, to look behind the remote's back."""
        import fsspec

        return fsspec.filesystem(self.protocol, use_listings_cache=False, skip_instance_cache=True, **self.options)


@contextlib.contextmanager
def serving(command: list[str], log: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    program = str(Path(sys.executable).with_name(command[0]))
    with log.open("wb") as output:
        process = subprocess.Popen([program, *command[1:]], stdout=output, stderr=output)
    try:
        if not answers(port, process):
            pytest.fail(f"no server on port {port}: {log.read_text(errors='replace')}")
        yield process
    finally:
        process.kill()
        process.wait()


def answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    """True once the server can be reached, False when it has died or half a minute is over."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            return False
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[Server]:
    port = free_port()
    with serving(["moto_server", "-H", "127.0.0.1", "-p", str(port)], folder / "s3.log", port) as process:
        options = {
            "key": "key",
            "secret": "secret",
            "endpoint_url": f"http://127.0.0.1:{port}",
            # Else a server that was killed is asked again for ten seconds, which is right, but not in a test.
            "config_kwargs": {"retries": {"max_attempts": 0}},
        }
        server = Server(process, port, "s3", options)
        server.client().mkdir("bucket")
        yield server


@contextlib.contextmanager
def gcs_server(folder: Path) -> Iterator[Server]:
    port = free_port()
    command = ["gcp-storage-emulator", "start", "--host", "127.0.0.1", "--port", str(port), "--in-memory"]
    with pytest.MonkeyPatch.context() as patch, serving(command, folder / "gcs.log", port) as process:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        # Else the client asks for the kind of the bucket by gRPC, which no emulator answers, and waits a minute.
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        server = Server(process, port, "gs", {"token": "anon", "endpoint_url": f"http://127.0.0.1:{port}"})
        server.client().mkdir("bucket")
        yield server


SERVERS = {"s3": s3_server, "gcs": gcs_server}
