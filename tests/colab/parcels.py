"""Orders and answers between the desk and its processes: JSON objects, one a packet, with descriptors if need be."""

from __future__ import annotations

import json
import socket
from typing import Any

__all__ = ["pair", "receive", "send"]

_LARGEST = 1 << 17


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(line: socket.socket, content: dict[str, Any], *descriptors: int) -> None:
    socket.send_fds(line, [json.dumps(content).encode()], list(descriptors))


def receive(line: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """None if the other side has closed."""
    try:
        packet, descriptors, _, _ = socket.recv_fds(line, _LARGEST, 4)
    except ConnectionResetError:
        return None, []
    return (json.loads(packet) if packet else None), descriptors
