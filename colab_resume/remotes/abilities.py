"""What some back ends can do, or tell, beside the five members; wrappers pass it through."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from . import Remote

__all__ = ["Swapping", "lag_of", "swapping"]


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
