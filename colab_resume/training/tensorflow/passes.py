"""Where the batches of a `tf.data.Dataset` come from: passes that go on by the state of their iterators.

What a shuffle remembers is how often it was opened. While it is open the state of the iterator says it. Where it is
not, at the end of a pass and between two passes, the shuffle is opened as often as it had been; nothing is drawn for
that. An iterator that is restored has opened it twice, once when it was made and once when it was restored.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import tensorflow as tf

from ...errors import UsageError
from ..data.witness import Witness
from . import chance, files
from .datasets import memory_of

__all__ = ["DatasetPasses"]

_OPEN_SHUFFLE = b"epoch_num_random_samples"
"""What the state of an iterator has in it as long as its shuffle is open."""


class DatasetPasses:
    """Those of one dataset, as a `Supply`. `opened`: how many there were, in all lives."""

    tells = "tf.data"
    has_state = True
    goes_on = False

    def __init__(self, dataset: Any) -> None:
        self.witness = Witness()
        self._dataset = dataset
        self._remembers = memory_of(dataset) is not None
        self._opened_here = 0
        self._before = 0
        self._items: Any = None
        self.opened = 0
        chance.keep()

    def begin(self, _seed: int, first: int, state: Any, _own: Any) -> Iterator[Any]:
        """The batches from `first` on."""
        if state is None:
            return self._again(self.opened, first)
        if self._remembers and not _is_open(state["files"]):
            if not state["opened"] or self._opened_here >= state["opened"]:
                return self._again(state["opened"], first)
            self._open_until(state["opened"] - 1)
        self._make(state["opened"])
        files.read(self._items, state["files"])
        return iter(self._items)

    def state(self, _handed: int) -> Any:
        """What to go on from after the batches handed out."""
        return {"opened": self._before, "files": self._written()}

    def _again(self, before: int, first: int) -> Iterator[Any]:
        """The pass with so many before it, drawn from its beginning."""
        if self._remembers:
            self._open_until(before)
        self._make(before)
        self._written()
        return _skipped(self._items, first)

    def _make(self, before: int) -> None:
        self._items = iter(self._dataset)
        self._before, self.opened = before, before + 1
        self._opened_here = before + 1

    def _open_until(self, number: int) -> None:
        """Open the shuffle as often as that."""
        if self._opened_here > number:
            raise UsageError(
                "this shuffled dataset was drawn from in this process, further than the run has gone back",
                hint="run the cell that makes the dataset again, too, or restart the kernel",
            )
        for _ in range(self._opened_here, number):
            iter(self._dataset)
        self._opened_here = number

    def _written(self) -> Any:
        try:
            return files.written(self._items)
        except tf.errors.OpError as error:
            raise UsageError(
                f"this pipeline cannot say where it is: {error.message.partition('.')[0]:.300}",
                hint="tf.random in map(), py_function, numpy_function and from_generator are the usual reasons. Draw "
                "by tf.random.stateless_uniform from an enumerate() or a tf.data.Dataset.random(seed=...), and read "
                "files by tf.data.TFRecordDataset or from_tensor_slices",
            ) from error


def _skipped(items: Any, first: int) -> Iterator[Any]:
    if sum(1 for _ in islice(items, first)) == first:
        yield from items


def _is_open(saved: Any) -> bool:
    return any(_OPEN_SHUFFLE in data.tobytes() for data in saved.values())
