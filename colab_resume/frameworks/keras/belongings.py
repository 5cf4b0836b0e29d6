"""What some callbacks leave outside of themselves, and what must come back with them: files, mostly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from ...training.data.attached import Attached

__all__ = ["Belonging", "Belongings"]


class Belonging(Protocol):
    """Of one callback, for as long as that is there."""

    def taken(self) -> dict[str, Any]:
        """What is there now."""
        ...

    def put(self, saved: Mapping[str, Any]) -> None:
        """Let it be there again."""
        ...


class Belongings:
    """Those of all callbacks of a model's fits; `of` makes that of a callback, None where it has none."""

    def __init__(self, of: Callable[[Any], Belonging | None]) -> None:
        self._of = of
        self._known: Attached[Belonging] = Attached()

    def meet(self, callbacks: Iterable[Any]) -> None:
        """A `fit` is about to begin with these."""
        for callback in callbacks:
            if self._known.get(callback) is None and (found := self._of(callback)) is not None:
                self._known.set(callback, found)

    def taken(self, callbacks: Iterable[Any]) -> list[dict[str, Any]]:
        """Of each that has something."""
        return [one.taken() for one in self._those(callbacks)]

    def put(self, saved: Iterable[Mapping[str, Any]], callbacks: Iterable[Any]) -> None:
        """In the same order."""
        for one, its in zip(self._those(callbacks), saved, strict=False):
            one.put(its)

    def _those(self, callbacks: Iterable[Any]) -> Iterator[Belonging]:
        return (one for callback in callbacks if (one := self._known.get(callback)) is not None)
