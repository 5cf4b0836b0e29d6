"""What a framework's adapter needs of the run that it is attached to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from ..training.loops import Loops

__all__ = ["Host"]

T = TypeVar("T")


class Host(Protocol):
    """A run, as those who drive its loops for a framework see it: as in `run.Run`."""

    name: str

    @property
    def _loops(self) -> Loops: ...

    def track(self, **objects: Any) -> None: ...

    def epochs(self, n: int, *, name: str = ...) -> Iterator[int]: ...

    def steps(self, n: int, *, name: str = ...) -> Iterator[int]: ...

    def batches(self, loader: Iterable[T]) -> Iterable[T]: ...

    def log(self, **metrics: Any) -> None: ...

    def _log_soon(self, names: Collection[str], values: Callable[[], Mapping[str, float]]) -> None: ...
