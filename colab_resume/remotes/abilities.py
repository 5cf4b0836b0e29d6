"""What some back ends can do, or tell, beside the five members; wrappers pass it through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from . import Remote

__all__ = ["Space", "Swapping", "folder_here", "folders_of", "lag_of", "mend", "proof_of", "space_of", "swapping"]


@dataclass(frozen=True)
class Space:
    """What a back end says of its space, in bytes; None where it sets no limit."""

    total: int | None
    free: int | None


@runtime_checkable
class Swapping(Protocol):
    """Replaces a content only if it is still the one that was read. For small contents, of which no two are alike."""

    def read_tagged(self, name: str) -> tuple[bytes, str] | None:
        """The content and a word that stands for it; None if there is none."""
        ...

    def swap(self, name: str, data: bytes, tag: str | None) -> str:
        """Replace what `tag` stands for, or nothing if it is None; the new tag. `Overtaken` if something else is there.

        If the answer to it was lost, the same call may be made again.
        """
        ...


@runtime_checkable
class _Around(Protocol):
    def swapping(self) -> Swapping | None: ...


def swapping(remote: Remote) -> Swapping | None:
    """The means of this remote, or of the one inside a wrapper; None if it has none."""
    if isinstance(remote, Swapping):
        return remote
    return remote.swapping() if isinstance(remote, _Around) else None


@runtime_checkable
class _Lagging(Protocol):
    @property
    def lag(self) -> float: ...


def lag_of(remote: Remote) -> float:
    """How many seconds after a `put` other clients may still not see it; 0 unless a remote has another `lag`."""
    return remote.lag if isinstance(remote, _Lagging) else 0.0


@runtime_checkable
class _Spacious(Protocol):
    def space(self) -> Space | None: ...


def space_of(remote: Remote) -> Space | None:
    """How much space there is; None where a remote has no `space()`, a member that it may lack."""
    return remote.space() if isinstance(remote, _Spacious) else None


@runtime_checkable
class _Rooted(Protocol):
    @property
    def root(self) -> object: ...


def folder_here(remote: Remote) -> Path | None:
    """The folder of this machine's file system that a remote is; None if it is something else."""
    root = remote.root if isinstance(remote, _Rooted) else None
    return root if isinstance(root, Path) else None


@runtime_checkable
class _Branching(Protocol):
    def folders(self) -> Sequence[str]: ...


def folders_of(remote: Remote) -> Sequence[str]:
    """The names of the folders directly in a remote; none where it has no `folders()`, which it may lack, too."""
    return remote.folders() if isinstance(remote, _Branching) else ()


@runtime_checkable
class _Proving(Protocol):
    @property
    def proof_text(self) -> str: ...


def proof_of(remote: Remote) -> str:
    """By what it knows that something is stored, in words; empty where nothing is to be said about that."""
    return remote.proof_text if isinstance(remote, _Proving) else ""


@runtime_checkable
class _Mending(Protocol):
    def mend(self) -> bool: ...


def mend(remote: Remote) -> bool:
    """Let a remote do what only the main thread may do about a failure, and may take minutes; False if it cannot.

    Raises `RemoteUnavailable` or `RemoteRefused` if that failed.
    """
    return remote.mend() if isinstance(remote, _Mending) else False
