"""Asking the front end, and waiting for the answer.

Google's documents this as not safe for threads: it reads the kernel's stdin socket, which belongs to the main thread.
Here an answer to another thread never comes, and the desk notes that it was asked for.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from google.colab import errors

__all__ = ["MessageError", "ask_desk", "blocking_request"]

_DESK = "/var/colab/desk"


class MessageError(errors.Error):
    """The front end answered with an error."""


def blocking_request(request_type: str, request: Any = "", timeout_sec: float | None = 5, parent: Any = None) -> Any:
    """The answer; None after the time limit, and for ever nothing where there is none."""
    if threading.current_thread() is not threading.main_thread():
        ask_desk("misuse", what=request_type)
        return _silence(timeout_sec)
    answer = ask_desk("request", kind=request_type, body=request, seconds=timeout_sec)
    if "silence" in answer:
        return _silence(timeout_sec)
    if "error" in answer:
        raise MessageError(answer["error"])
    return answer.get("data")


def _silence(timeout_sec: float | None) -> None:
    # The desk knows that no answer will come, so a limited wait is over at once.
    while timeout_sec is None:
        # Google's takes whatever is raised in its wait, by a signal's handler, for an invalid message.
        with suppress(Exception):
            time.sleep(0.025)


def ask_desk(verb: str, **question: Any) -> dict[str, Any]:
    """What the desk does or answers; it is outside of the VM."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.connect(_DESK)
        line.send(json.dumps({"do": verb, **question}).encode())
        return json.loads(line.recv(1 << 17) or b"{}")
