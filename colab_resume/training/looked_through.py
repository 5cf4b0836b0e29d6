"""What `run.batches(loader)` returns: the loader in every respect but one, that iterating it is a pass of the run.

`len`, attributes, indexing and, but for lists and their like, `isinstance` answer as the loader; nothing is copied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

__all__ = ["LookedThrough", "bare", "is_one_shot", "looked_through"]

T = TypeVar("T")

_CONTAINERS = (list, tuple, dict, set, frozenset, deque)


class LookedThrough(Generic[T]):
    """Stands for a loader; `begin` begins a pass over it."""

    __slots__ = ("_begin", "_loader")
    _begin: Callable[[], Iterator[T]]
    _loader: Any

    def __init__(self, loader: Iterable[T], begin: Callable[[], Iterator[T]]) -> None:
        object.__setattr__(self, "_loader", loader)
        object.__setattr__(self, "_begin", begin)

    @property  # type: ignore[misc]
    def __class__(self) -> type[Any]:
        """What `isinstance` asks besides the type. Whoever takes something for a list goes through it, to look at its
        items or to copy it; and that would be a pass of the run."""
        return type(self) if isinstance(self._loader, _CONTAINERS) else type(self._loader)

    def __iter__(self) -> Iterator[T]:
        return self._begin()

    def __len__(self) -> int:
        return len(self._loader)

    def __bool__(self) -> bool:
        return bool(self._loader)

    def __getitem__(self, index: Any) -> Any:
        return self._loader[index]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._loader, name, value)

    def __repr__(self) -> str:
        return repr(self._loader)


class _OneShot(LookedThrough[T]):
    """Stands for an iterator, of which `next` may be asked without `iter`."""

    __slots__ = ("_items",)
    _items: Any

    def __init__(self, loader: Iterable[T], begin: Callable[[], Iterator[T]]) -> None:
        super().__init__(loader, begin)
        object.__setattr__(self, "_items", None)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._items is None:
            object.__setattr__(self, "_items", self._begin())
        item: T = next(self._items)
        return item


def looked_through(loader: Iterable[T], begin: Callable[[], Iterator[T]]) -> Iterable[T]:
    """The loader, except that `iter` gives what `begin` returns."""
    return (_OneShot if is_one_shot(loader) else LookedThrough)(loader, begin)


def is_one_shot(loader: Any) -> bool:
    """Whether it is an iterator itself, of which there is one pass."""
    return hasattr(type(loader), "__next__")


def bare(loader: Any) -> Any:
    """What it stands for, if it is one of these; else the same."""
    while issubclass(type(loader), LookedThrough):
        loader = object.__getattribute__(loader, "_loader")
    return loader
