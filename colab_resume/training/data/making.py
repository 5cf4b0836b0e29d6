"""How what is iterated is made, batch by batch, under randomness of its own.

The promise: batch n of a pass depends on the pass's seed, on the worker it is made in, on n, and on where the data
stand; not on what was drawn before. So a dataset that has `state_dict` and `load_state_dict`, or whose iterator has
them, goes on from its state without its data being drawn again, and any other is drawn again and gives the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import GeneratorType
from typing import Any

import numpy as np
import torch

from ...errors import StateMismatch
from .generators import Source, generators_in, own_generators
from .peculiar import forget_place, loses_its_buffer, not_looking_ahead
from .randomness import seeded

__all__ = ["Making", "Recipe", "has_state"]

_END = object()


def has_state(thing: Any) -> bool:
    """Whether it can say where it is, and be told."""
    known = callable(getattr(thing, "state_dict", None)) and callable(getattr(thing, "load_state_dict", None))
    return known and not loses_its_buffer(thing)


class _Lent:
    """A dataset's own generators: they go on from batch to batch, and are as they were before in between."""

    def __init__(self, sources: list[Source], seed: int) -> None:
        self._sources = sources
        with seeded(seed, 0, sources):
            self.states = self._taken()
        self._set_by_data = [False] * len(sources)

    @contextmanager
    def told(self, states: list[Any]) -> Iterator[None]:
        """The data are told where to go on; whichever of these states is another one afterwards, they have set."""
        _refuse_others(self._sources, states)
        fresh, self.states = self.states, states
        with self.lent():
            yield
        self._set_by_data = [not _same(then, now) for then, now in zip(states, self.states, strict=True)]
        self.states = self._chosen(fresh)

    def go_on(self, states: list[Any]) -> None:
        """The data are open again, and go on with these states but for those they have set."""
        self.states = self._chosen(states)

    def _chosen(self, states: list[Any]) -> list[Any]:
        pairs = zip(self._set_by_data, self.states, states, strict=True)
        return [set_by_data if was_set else other for was_set, set_by_data, other in pairs]

    @contextmanager
    def lent(self) -> Iterator[None]:
        """For the code inside they go on where they stopped."""
        outside = self._taken()
        try:
            self._set(self.states)
            yield
            self.states = self._taken()
        finally:
            self._set(outside)

    def _taken(self) -> list[Any]:
        return [source.get() for source in self._sources]

    def _set(self, states: list[Any]) -> None:
        for source, state in zip(self._sources, states, strict=True):
            source.set(state)


def _refuse_others(sources: list[Source], states: list[Any]) -> None:
    if len(states) != len(sources):
        raise StateMismatch(
            f"the dataset had {len(states)} random generators when the checkpoint was made, "
            f"and now it has {len(sources)}",
            hint="run the code that made this checkpoint, or start a run with another name",
        )


def _same(state: Any, other: Any) -> bool:
    if isinstance(state, torch.Tensor):
        return torch.equal(state, other)
    if isinstance(state, np.ndarray):
        return np.array_equal(state, other)
    if isinstance(state, dict):
        return all(_same(value, other[name]) for name, value in state.items())
    return bool(state == other)


@dataclass(frozen=True)
class Recipe:
    """What is iterated, and what is made of it: a batch of so many items, or of one item at a time if it is None."""

    data: Any
    size: int | None = None
    drop_last: bool = False
    collate: Callable[[Any], Any] | None = None

    def make(self, items: Iterator[Any]) -> tuple[Any, bool]:
        """The next batch, or `_END`; and whether that was all."""
        batch: list[Any] = []
        while len(batch) < (self.size or 1):
            item = next(items, _END)
            if item is _END:
                break
            batch.append(item)
        short = len(batch) < (self.size or 1)
        if not batch or (short and self.drop_last):
            return _END, True
        made = batch if self.size is not None else batch[0]
        return (made if self.collate is None else self.collate(made)), short


class Making:
    """One pass where the data are made; a StatefulDataLoader asks it for its state in each worker."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self._recipe = recipe
        self._seed = seed
        self._own = _Lent(own_generators(recipe.data, recipe.collate), seed)
        self._items: Iterator[Any] | None = None
        self._inside: list[Source] = []
        self._number = 0
        self._ended = False
        self._told: dict[str, Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        made = self._make()
        if self._told is not None:
            forget_place(self._recipe.data)
            self._told = self._told if made is _END else None
        if made is _END:
            raise StopIteration
        return made

    @property
    def has_state(self) -> bool:
        """Whether the data, or what iterates over them, can say where they are."""
        return (has_state(self._recipe.data) or has_state(self._items)) and not self._draws_unseen

    def state_dict(self) -> dict[str, Any]:
        """Where this pass is, as values that later batches do not change."""
        if self._told is not None:  # that data know where they are before they have moved, nobody promises
            return self._told
        return copy.deepcopy(self._state())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        if state["data"] is not None or state["items"] is not None:
            self._open(state)
        else:
            for _ in range(state["number"]):
                self._make()
        self._told = state

    def _state(self) -> dict[str, Any]:
        data, items, tells = self._recipe.data, self._items, self.has_state
        with self._own.lent():
            of_data = tells and items is not None and items is not data and has_state(data)
            return {
                "number": self._number,
                "ended": self._ended,
                "data": data.state_dict() if of_data else None,
                "items": items.state_dict() if tells and has_state(items) else None,  # type: ignore[union-attr]
                "own": self._own.states,
                "inside": [source.get() for source in self._inside],
            }

    @property
    def _draws_unseen(self) -> bool:
        """Whether a random generator was made since the data were opened: no state has it, and no place to put it."""
        if not isinstance(self._items, GeneratorType):
            return self._items is not None and self._has_more_inside
        made, data = generators_in(self._items), (self._recipe.data, self._recipe.collate)
        return bool(made) and len(own_generators(*data, *made)) > len(own_generators(*data))

    @cached_property
    def _has_more_inside(self) -> bool:
        return len(self._generators_inside()) > len(self._inside)

    def _generators_inside(self) -> list[Source]:
        """Generators that nobody else knows."""
        return own_generators(self._items, leave_out=[self._recipe.data])

    def _make(self) -> Any:
        if self._ended:
            return _END
        # The first batch comes with whatever opening the data draws.
        with self._own.lent(), seeded(self._seed, self._number):
            if self._items is None:
                self._items = iter(self._recipe.data)
                self._inside = self._generators_inside()
            made, self._ended = self._recipe.make(self._items)
        self._number += 1
        return made

    def _open(self, state: dict[str, Any]) -> None:
        # What is drawn again here, such as an order to go through, was drawn when the pass was opened.
        with seeded(self._seed, 0):
            items = self._opened(state)
            if state["ended"] and next(items, _END) is not _END:
                # They do not know that their pass was over, and have begun the next one.
                items = self._opened(state)
        self._items = items
        self._own.go_on(state["own"])
        self._inside = self._generators_inside()
        _refuse_others(self._inside, state["inside"])
        with self._own.lent():
            for source, then in zip(self._inside, state["inside"], strict=True):
                source.set(then)
        self._number, self._ended = state["number"], state["ended"]

    def _opened(self, state: dict[str, Any]) -> Any:
        data, state = self._recipe.data, copy.deepcopy(state)
        with self._own.told(state["own"]):
            if state["data"] is not None:
                data.load_state_dict(state["data"])
        with self._own.lent(), not_looking_ahead(data):
            items = iter(data)
            if state["items"] is not None:
                items.load_state_dict(state["items"])
        return items
