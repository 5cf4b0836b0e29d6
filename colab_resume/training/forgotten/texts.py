"""Texts whose order decides what numbers mean, and that another process puts into another order.

`{word: n for n, word in enumerate(set(words))}` gives each word another number in each process, for Python hashes texts
with a seed of its own; `os.listdir` and `glob` give files as they lie on the disk, and on a new VM they lie otherwise.
The weights come back, and what they have learned of number 5 is said of another word. So before the first step whatever
stands in the order of a set is told, and after a restart whatever stands in another order than when the loop began.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import PurePath
from types import FrameType
from typing import Any

from torch.utils.data import DataLoader, Dataset

from ..data.users_code import is_users_file, is_users_own
from .carried import values_of

__all__ = ["Texts", "stand_as_in_a_set", "total"]

_DEEP = 4
"""A loader, its subset, the dataset, its vocabulary."""
_MOST, _NAMES = 300_000, 100
"""So many texts are gone through, which takes a fifth of a second; so many lists are known by name in a checkpoint."""
_FEW = 6
"""Fewer stand in the order of a set by chance."""
_MANY, _LARGER = 16, 8
"""With as many, others may have been left out since: then the table was longer, doubled up to so many times."""
_SMALL_TABLE = 5
"""Bits, for as many as 18."""
_OF_IPYTHON = ("In", "Out")


class Texts:
    """Before the first loop of a process. `tell` hears what stands, or may come to stand, in another order."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._first: dict[str, str] = {}
        self._is_done = False

    def state(self) -> dict[str, str]:
        """How the texts stood when each loop began for the first time, as a text, which is quickly stored."""
        return dict(self._first)

    def go_back_to(self, saved: Mapping[str, str]) -> None:
        """What `state` gave in the life that is gone on with."""
        self._first |= saved

    def look(self, frame: FrameType, loop: str) -> None:
        """A loop of this name begins in `frame`."""
        if self._is_done:
            return
        self._is_done = True
        there = dict(islice(_there(frame), _NAMES))
        now = {name: _mark(texts) for name, texts in there.items()}
        before = json.loads(self._first.setdefault(loop, json.dumps(now)))
        if moved := [name for name in now if name in before and _stands_otherwise(before[name], now[name])]:
            self._tell(
                f"{', '.join(moved)}: the same texts in another order than when the loop began first. Where they are "
                "words, classes or files, their numbers mean something else now than what the model has learned. "
                "What a `set`, `listdir` or `glob` gives stands in another order in each life: sort it, and begin a "
                "run with another name; or bring the order of then back"
            )
        elif seeded := [name for name, texts in there.items() if stand_as_in_a_set(texts)]:
            self._tell(
                f"{', '.join(seeded)}: in the order in which a `set` gives its texts, and that is another one in each "
                "process. After a restart the same numbers would stand for other texts, and the training would go "
                "on with them: sort them where they are made, sorted(set(...))"
            )


def stand_as_in_a_set(texts: Sequence[str]) -> bool:
    """Whether these, each of them once, have come out of a set that this process has made.

    A set gives its items by the last bits of their hashes, as many as its table is long; where two have the same, one
    is put elsewhere. https://github.com/python/cpython/blob/main/Objects/setobject.c
    """
    count = len(texts)
    if not sys.flags.hash_randomization or count < _FEW or len(set(texts)) < count or list(texts) == sorted(texts):
        return False
    hashes = list(map(hash, texts))
    shortest = count.bit_length()
    tables = range(shortest, shortest + _LARGER) if count >= _MANY else (_SMALL_TABLE,)
    most_elsewhere = min((count - _FEW) // 3, count // 5)
    return any(
        sum((one & mask) > (other & mask) for one, other in pairwise(hashes)) <= most_elsewhere
        for mask in ((1 << bits) - 1 for bits in tables)
    )


def _there(frame: FrameType) -> Iterator[tuple[str, Sequence[str]]]:
    """What the user's code can name where the loop runs, each container once, by its nearest name."""
    left = _MOST
    met: set[int] = set()
    for name, thing in _named(frame):
        for path, texts in _inside(name, thing, _DEEP, met):
            if 0 < len(texts) <= left:
                left -= len(texts)
                yield path, texts


def _named(frame: FrameType | None) -> Iterator[tuple[str, Any]]:
    """Variables of the user's functions from the inside out, and then global ones."""
    scopes: list[Mapping[str, Any]] = []
    while frame is not None:
        if is_users_file(frame.f_code.co_filename):
            code = frame.f_code
            yield from values_of(frame, (*code.co_varnames, *code.co_cellvars, *code.co_freevars)).items()
            if not any(frame.f_globals is scope for scope in scopes):
                scopes.append(frame.f_globals)
        frame = frame.f_back
    for scope in scopes:
        yield from ((name, thing) for name, thing in list(scope.items()) if not _is_pythons(name))


def _is_pythons(name: str) -> bool:
    return name.startswith("_") or name in _OF_IPYTHON


def _inside(name: str, thing: Any, deep: int, met: set[int]) -> Iterator[tuple[str, Sequence[str]]]:
    if id(thing) in met:
        return
    if isinstance(thing, list | tuple | dict) and len(thing) <= _MOST:
        met.add(id(thing))
        yield name, _texts(thing)
    elif deep and (isinstance(thing, DataLoader | Dataset) or is_users_own(type(thing))):
        met.add(id(thing))
        held = {"dataset": thing.dataset} if isinstance(thing, DataLoader) else getattr(thing, "__dict__", {})
        for attribute, value in list(held.items()):
            yield from _inside(f"{name}.{attribute}", value, deep - 1, met)


def _texts(container: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> list[str]:
    """Its texts in the order of their numbers; none if they have no numbers."""
    if not isinstance(container, dict):
        return _of_items(container)
    keys, values = list(container), list(container.values())
    if _are(int, keys):
        return _of_items([container[key] for key in sorted(keys)])
    if _are(int, values) and _are(str, keys) and sorted(values) == list(range(min(values), min(values) + len(values))):
        return sorted(keys, key=container.__getitem__)
    return []


def _of_items(items: Sequence[Any]) -> list[str]:
    if _are(tuple, items):  # of a file and its class, say
        first = [next((part for part in item if isinstance(part, str | PurePath)), None) for item in items]
        return _of_items(first) if None not in first else []
    if items and all(isinstance(item, PurePath) for item in items):
        return ["/".join(item.parts[-2:]) for item in items]
    return list(items) if _are(str, items) else []


def _are(kind: type, items: Iterable[Any]) -> bool:
    return set(map(type, items)) == {kind}


def total(texts: Iterable[str]) -> int:
    """A number for which texts these are, in whatever order."""
    return sum(map(zlib.crc32, map(_known, texts)))


def _mark(texts: Sequence[str]) -> list[int]:
    """How many there are, which ones, and in which order."""
    return [len(texts), total(texts), zlib.crc32(b"\0".join(map(_known, texts)))]


def _known(text: str) -> bytes:
    """On another VM a path may lead through other folders."""
    return "/".join(text.rsplit("/", 2)[-2:]).encode("utf-8", "backslashreplace")


def _stands_otherwise(before: Sequence[int], now: Sequence[int]) -> bool:
    return before[:2] == now[:2] and before[2] != now[2]
