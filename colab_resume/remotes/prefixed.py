"""A remote inside another one: every name gets the same folder in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from . import Entry, Receipt, Remote, Source
from .abilities import Swapping, folder_here, swapping
from .around import Around

__all__ = ["PrefixedRemote"]


class PrefixedRemote(Around):
    """The part of `inner` below `folder`, as a remote of its own."""

    def __init__(self, inner: Remote, folder: str) -> None:
        super().__init__(inner)
        # Asked once, at the start: a mount has to look for the answer, and whoever asks for a status must not wait.
        self._confirms = inner.confirms
        self._folder = folder

    @property
    def confirms(self) -> bool:
        return self._confirms

    @property
    def root(self) -> Path | None:
        """The folder in that of the whole remote."""
        whole = folder_here(self._inner)
        return None if whole is None else whole / self._folder

    def swapping(self) -> Swapping | None:
        """The means of the whole remote, below the folder."""
        cell = swapping(self._inner)
        return None if cell is None else _PrefixedCell(cell, self._folder)

    def list(self, folder: str) -> Sequence[Entry]:
        entries = self._inner.list(f"{self._folder}/{folder}" if folder else self._folder)
        return [replace(entry, name=entry.name.removeprefix(f"{self._folder}/")) for entry in entries]

    def put(self, name: str, source: Source) -> Receipt:
        receipt = self._inner.put(f"{self._folder}/{name}", source)
        return replace(receipt, name=name)

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        self._inner.get(f"{self._folder}/{name}", sink, offset)

    def delete(self, name: str) -> None:
        self._inner.delete(f"{self._folder}/{name}")


class _PrefixedCell:
    def __init__(self, inner: Swapping, folder: str) -> None:
        self._inner = inner
        self._folder = folder

    def read_tagged(self, name: str) -> tuple[bytes, str] | None:
        return self._inner.read_tagged(f"{self._folder}/{name}")

    def swap(self, name: str, data: bytes, tag: str | None) -> str:
        return self._inner.swap(f"{self._folder}/{name}", data, tag)
