"""What every wrapper passes through: all that a remote may tell or do beside the five members."""

from __future__ import annotations

from pathlib import Path

from . import Remote
from .abilities import Space, Swapping, folder_here, lag_of, mend, proof_of, space_of, swapping

__all__ = ["Around"]


class Around:
    """A remote around `inner`; whoever changes one of these answers overrides it."""

    def __init__(self, inner: Remote) -> None:
        self._inner = inner

    @property
    def confirms(self) -> bool:
        return self._inner.confirms

    def space(self) -> Space | None:
        """What the remote inside says."""
        return space_of(self._inner)

    @property
    def root(self) -> Path | None:
        """Where the remote inside lies, if that is here."""
        return folder_here(self._inner)

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
        """The means of the remote inside."""
        return swapping(self._inner)
