"""A CONNECT proxy that ends TLS: clients that know only www.googleapis.com reach the server on loopback, unchanged.

    with TlsProxy(server.url, tmp_path) as proxy:
        subprocess.run(["rclone", ...], env={"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(proxy.authority)})

It serves the hosts of `certificates.HOSTS` and refuses every other, so nothing can leave the machine through it.
"""

from __future__ import annotations

import fnmatch
import socket
import socketserver
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from .certificates import HOSTS, Certificates

__all__ = ["TlsProxy"]

BLOCK = 1 << 16


class _Tunnel(socketserver.StreamRequestHandler):
    """One CONNECT, then bytes both ways until either side ends."""

    rbufsize = 0
    server: _Listener

    def handle(self) -> None:
        verb, target = [*self.rfile.readline(4096).decode("latin-1").split(), "", ""][:2]
        while self.rfile.readline(4096).strip():
            pass
        host = target.rpartition(":")[0]
        if verb != "CONNECT" or not any(fnmatch.fnmatch(host, known) for known in HOSTS):
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            with (
                self.server.context.wrap_socket(self.connection, server_side=True) as client,
                socket.create_connection(self.server.target) as upstream,
            ):
                self.server.keep(client, upstream)
                _join(client, upstream)
        except OSError:
            return  # either side may go at any moment, also amid the handshake


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, target: tuple[str, int], context: ssl.SSLContext) -> None:
        self.target = target
        self.context = context
        self._kept: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Tunnel)

    def keep(self, *connections: socket.socket) -> None:
        self._kept.update(connections)

    def end_connections(self) -> None:
        for connection in tuple(self._kept):
            _end(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes before it has said what it wants; the tests look at what arrives at the server."""


def _join(client: socket.socket, upstream: socket.socket) -> None:
    back = threading.Thread(target=_copy, args=(upstream, client), daemon=True)
    back.start()
    _copy(client, upstream)
    back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(BLOCK):
            target.sendall(piece)
    except OSError:
        pass
    finally:
        _end(source)
        _end(target)


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended already


class TlsProxy:
    """`folder` takes the certificates; `authority` is the file to be trusted."""

    def __init__(self, target_url: str, folder: Path) -> None:
        certificates = Certificates.make(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.chain, certificates.key)
        target = urlsplit(target_url)
        self.authority = certificates.authority
        self._listener = _Listener((target.hostname or "127.0.0.1", target.port or 80), context)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._thread.join()
        self._listener.end_connections()
        self._listener.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """For Go programs, and for httplib2."""
        trusted = str(self.authority)
        return {"HTTPS_PROXY": self.url, "SSL_CERT_FILE": trusted, "HTTPLIB2_CA_CERTS": trusted, "NO_PROXY": ""}
