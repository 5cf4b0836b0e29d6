"""What a browser holds of a kernel: its four channels, from outside of the VM."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import zmq
from jupyter_client.session import Session

__all__ = ["Channels", "Connection"]

_NUMBERS = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}
_KINDS = {"shell": zmq.DEALER, "iopub": zmq.SUB, "stdin": zmq.DEALER, "control": zmq.DEALER}
_AGAIN = 5
"""Milliseconds until a kernel that is not there yet is called again."""
_counter = itertools.count(1)

Message = dict[str, Any]


class Connection:
    """Where a kernel listens; the same for all the kernels that a notebook gets on one VM."""

    def __init__(self) -> None:
        self.key = uuid.uuid4().hex
        self.place = f"/run/jupyter/{next(_counter)}"

    def file(self) -> dict[str, Any]:
        """The connection file's content, as the VM sees it. Colab's own transport is `ipc` too."""
        ports = {f"{name}_port": number for name, number in _NUMBERS.items()}
        return {
            **ports,
            "ip": self.place,
            "key": self.key,
            "transport": "ipc",
            "signature_scheme": "hmac-sha256",
            "kernel_name": "python3",
        }


class Channels:
    """`session`: of a browser that had been here before, so that it gets the answers to what it asked then."""

    def __init__(
        self, context: zmq.Context[Any], connection: Connection, root: str, session: Session | None = None
    ) -> None:
        self.session = session or Session(key=connection.key.encode(), username="", metadata={})
        self.sockets = {name: context.socket(kind) for name, kind in _KINDS.items()}
        for name, socket in self.sockets.items():
            socket.linger = 0
            socket.reconnect_ivl = _AGAIN
            if name == "iopub":
                socket.subscribe(b"")
            else:
                socket.identity = self.session.bsession
            socket.connect(f"ipc://{root}{connection.place}-{_NUMBERS[name]}")

    def send(self, channel: str, kind: str, content: dict[str, Any], parent: Message | None = None) -> str:
        """The id of the message."""
        message = self.session.send(self.sockets[channel], kind, content, parent=parent)
        return str(message["header"]["msg_id"])

    def received(self) -> Iterator[tuple[str, Message]]:
        """What has come so far, with the channel it came on."""
        # A cell's output comes before the reply that ends it.
        for name in ("iopub", "stdin", "shell", "control"):
            while self.sockets[name].poll(0):
                _, frames = self.session.feed_identities(self.sockets[name].recv_multipart())
                yield name, self.session.deserialize(frames)

    def close(self) -> None:
        for socket in self.sockets.values():
            socket.close()
