"""A remote inside another one: every name gets the same folder in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from . import Entry, Receipt, Remote, Source
from .abilities import Space, Swapping, lag_of, mend, proof_of, space_of, swapping

__all__ = ["PrefixedRemote"]


class PrefixedRemote:
    """The part of `inner` below `folder`, as a remote of its own."""

    def __init__(self, inner: Remote, folder: str) -> None:
        self._inner = inner
        self._folder = folder
        self.confirms = inner.confirms

    def space(self) -> Space | None:
        """That of the whole remote."""
        return space_of(self._inner)

    @property
    def lag(self) -> float:
        """That of the remote inside."""
        return lag_of(self._inner)

    def mend(self) -> bool:
        """What the remote inside can do."""
        return mend(self._inner)

    @property
    def proof_text(self) -> str:
        """That of the remote inside."""
        return proof_of(self._inner)

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
