"""What the data of a loop are made of: a few numbers of the arrays, lists and tables that its loaders draw from.

A split that is drawn before `setup`, or from a generator without a seed, comes out otherwise in each life. Where the
restart leads to the end of an epoch no batch could tell, and what was held back for validation is trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from ..data.reach import parts
from ..data.witness import a_few
from ..objects.whose import is_tf_dataset
from .carried import body_at, carried
from .changes import variables
from .heads import looked_at, moved
from .tables import numbers_of_table
from .texts import total

__all__ = ["Sources"]

_OURS = __name__.partition(".")[0]
_DEEP = 8
"""A loader, a subset, the dataset, its class, a method, an array that this names."""
_THINGS, _LEAVES, _TEXTS = 2000, 16, 100_000


class Sources:
    """Of the first loop of a process alone: what is there before a later one may be left from those before it.

    `tell` hears what is other than in the first life. In all methods `kept` are the modules that are tracked, whose
    weights are no data, and `covered` the identities of what is tracked.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._first: dict[str, str] = {}
        self.is_known = False
        """Whether the first loop of this process has shown its data."""

    def state(self) -> dict[str, str]:
        """What the data of each loop were when it began for the first time."""
        return dict(self._first)

    def go_back_to(self, saved: Mapping[str, str]) -> None:
        """What `state` gave in the life that is gone on with."""
        self._first |= saved

    def enter(self, frame: FrameType, loop: str, kept: Iterable[torch.nn.Module], covered: Collection[int]) -> None:
        """A loop of this name begins in `frame`, which is the user's code."""
        if not self.is_known:
            self._compare(loop, _behind(_loaders_in(frame, covered), kept, covered))

    def meet(self, loader: Any, loop: str, kept: Iterable[torch.nn.Module], covered: Collection[int]) -> None:
        """A first pass over this loader is asked for in the loop of this name, which is a library's own."""
        self._compare(loop, _behind({"": loader}, kept, covered))

    def _compare(self, loop: str, found: dict[str, Any]) -> None:
        self.is_known = True
        if names := moved(self._first, loop, found):
            self._tell(
                f"the data{' of ' * any(names)}{', '.join(names)} are not what they were when the loop began first. A "
                "split or an order that is drawn before colab_resume.setup(), or from a generator without a seed, "
                "comes out otherwise in each life, and what was held back for validation is trained on: make it "
                "behind setup(), or seed it. If you have changed the data yourself, all is well"
            )


def _loaders_in(frame: FrameType, covered: Collection[int]) -> dict[str, Any]:
    """Those that the loop in `frame` reads, each by one name."""
    if (body := body_at(frame)) is None:
        return {}
    read = (
        one
        for name, thing in carried(frame, body).items()
        for one in ([(name, thing)] if _is_a_loader(thing) else variables(name, thing, covered))
    )
    loaders = {id(thing): (name, thing) for name, thing in reversed([*read]) if _is_a_loader(thing)}
    return dict(loaders.values())


def _behind(loaders: Mapping[str, Any], kept: Iterable[torch.nn.Module], covered: Collection[int]) -> dict[str, Any]:
    """By the names of the loaders among these: some numbers of what they draw from."""
    known = {name: one for name, one in loaders.items() if _is_a_loader(one)}
    return looked_at({name: list(islice(_held(one, covered), _LEAVES)) for name, one in known.items()}, kept)


def _is_a_loader(thing: Any) -> bool:
    return isinstance(thing, DataLoader) or is_tf_dataset(thing)


def _held(loader: Any, covered: Collection[int]) -> Iterator[Any]:
    """From the nearest on, in an order that depends on the code alone."""
    if is_tf_dataset(loader):
        from ..tensorflow.sources import sources_of

        yield from sources_of(loader)
        return
    order = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
    met, level = set(covered), [loader.dataset, order, loader.collate_fn]
    for _ in range(_DEEP):
        things, level = level, []
        for thing in things:
            if id(thing) in met or isinstance(thing, torch.nn.Module) or len(met) > _THINGS + len(covered):
                continue
            met.add(id(thing))
            if isinstance(thing, torch.Tensor | np.ndarray):
                yield thing
            elif (table := numbers_of_table(thing)) is not None:
                yield table
            elif isinstance(thing, Mapping) and not all(isinstance(key, str) for key in thing):
                continue  # what was made so far, by its index: a cache
            else:
                if isinstance(thing, list | tuple):
                    yield [len(thing), total(a_few(thing, _TEXTS))] if set(map(type, thing)) == {str} else thing
                level += parts(thing) or _of_ours(thing)


def _of_ours(thing: Any) -> list[Any]:
    """What stands between Keras and its arrays."""
    return list(vars(thing).values()) if type(thing).__module__.startswith(f"{_OURS}.") else []
