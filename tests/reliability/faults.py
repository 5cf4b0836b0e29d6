"""A fault: how it begins, how it goes, and what is promised of the run meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from colab_resume.errors import ColabResumeError, RemoteFull, RemoteRefused

__all__ = ["Fault", "outcome"]

P = TypeVar("P")


@dataclass(frozen=True, kw_only=True)
class Fault(Generic[P]):
    """`row`: its line in the table; `name` tells those of one line apart.

    `until`: what somebody has to do before it goes on; empty where it goes by itself. `refused`: the error says that
    trying again is of no use. `felt_in`: an operation that it certainly hinders.
    """

    row: str
    begin: Callable[[P], None]
    end: Callable[[P], None]
    name: str = ""
    until: str = ""
    refused: bool = False
    felt_in: str = "several packs"

    @property
    def id(self) -> str:
        return f"{self.row}: {self.name}" if self.name else self.row

    def fits(self, error: ColabResumeError) -> bool:
        """Whether the error is of the kind that this fault should give."""
        return self.refused is (isinstance(error, RemoteRefused) and not isinstance(error, RemoteFull))


def outcome(fault: Fault[P] | None) -> str:
    """The words of the table."""
    if fault is None:
        return "not possible there"
    if not fault.until:
        return "recovers by itself"
    how = "refused with a hint" if fault.refused else "waits on the VM's disk"
    return f"{how} until {fault.until}"
