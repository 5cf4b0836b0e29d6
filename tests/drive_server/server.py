"""A stand-in of Google Drive on loopback: what clients ask of v2 and v3, refused where Drive refuses it.

    with DriveServer() as server:
        client = MyClient(root_url=server.url, token_uri=server.token_uri, refresh_token=server.refresh_token)
        client.upload("a.bin", b"...")
        assert server.account.find("a.bin")[0].size == 3

A real HTTP server with threads of its own. The account in it is the truth that tests look at; faults strike by plan;
every answer is held against Google's own description of it (`violations`), and every request is in `log`.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .account import Account
from .api import Api
from .contents import Contents
from .exchange import Exchange, Request
from .faults import Faults
from .link import Link
from .tokens import Tokens

__all__ = ["DriveServer", "Listener"]


class Listener(ThreadingHTTPServer):
    """Knows its open connections, so that none outlives it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, drive: DriveServer, port: int) -> None:
        self.drive = drive
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Exchange)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may vanish at any moment; anything else is a defect of ours, and no test may miss it."""
        if not isinstance(sys.exception(), ConnectionError):
            self.drive.violations.append(traceback.format_exc())

    def close_connections(self) -> None:
        for connection in tuple(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its own thread was faster


class DriveServer:
    """`clock` is what Drive takes for the time, `wait` how faults let time pass, `rate` bytes a second each way."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
        quota: int | None = None,
        latency: float = 0.0,
        rate: float | None = None,
        port: int = 0,
        folder: Path | None = None,
    ) -> None:
        self.clock = clock
        self.wait = wait
        self.link = Link(latency=latency, rate=rate)
        self.faults = Faults()
        self.log: list[Request] = []
        self._temporary = tempfile.TemporaryDirectory(prefix="drive-server-", dir=folder, ignore_cleanup_errors=True)
        self.account = Account(Contents(Path(self._temporary.name)), clock, quota=quota)
        self._tokens = Tokens(clock)
        self.api = Api(self.account, self._tokens, clock)
        self._listener = Listener(self, port)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._thread.join()
        self._listener.close_connections()
        self._listener.server_close()
        self._temporary.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.server_address[1]}/"

    @property
    def token_uri(self) -> str:
        return f"{self.url}token"

    @property
    def violations(self) -> list[str]:
        """Answers that broke their schema, and defects of the server itself; empty, or the test means nothing."""
        return self.api.violations

    @property
    def refresh_token(self) -> str:
        return self._tokens.refresh_token

    def new_token(self) -> str:
        return self._tokens.new()

    def expire_tokens(self) -> None:
        self._tokens.expire()

    def service_account(self) -> dict[str, Any]:
        """A service account's key file, whose assertions the token endpoint accepts."""
        return self._tokens.service_account(self.token_uri)
