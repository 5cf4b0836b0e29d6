"""Ids made before the files that get them, so that a repeated request cannot make a second file."""

from __future__ import annotations

import threading

from .line import Line

__all__ = ["Ids"]

_AT_ONCE = 50


class Ids:
    """Hands each out once."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._ready: list[str] = []

    def new(self) -> str:
        with self._lock:
            if not self._ready:
                request = self._line.files.generateIds(maxResults=_AT_ONCE, space="drive", fields="ids")
                self._ready = list(self._line.ask(request, "get ids for new files")["ids"])
            return self._ready.pop()
