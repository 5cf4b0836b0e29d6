"""What a `fit` draws its batches from, in the place of the adapter that Keras would have made.

Each epoch is one pass of the run over a torch `DataLoader`. So the order comes from the pass's seed, batches that are
done are skipped without being loaded, and control comes back between two steps. Before training Keras looks at one
batch to build the model; that look leaves no trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keras.src.trainers import data_adapters
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from ...training.data.randomness import seeded
from ...training.loops import Loops
from .hooks import Hooks
from .supplies import Supply, supply_for
from .validation import Validation

__all__ = ["Feed", "feed_for"]

_END = object()
_FOR_ADAPTER = ("x", "y", "sample_weight", "batch_size", "steps_per_epoch", "shuffle", "class_weight")


class Feed(DataAdapter):  # type: ignore[misc]
    """The batches of one `fit`. `steps`: its `steps_per_epoch`. `validation`: what it validates on."""

    def __init__(self, adapter: Any, supply: Supply, loops: Loops, *, steps: int | None, validation: Any) -> None:
        self._adapter = adapter
        self._loops = loops
        self._supply = supply
        self._items: Iterator[Any] | None = None
        self._waiting: Any = _END
        self._training = False
        self._order = supply.seed
        self.steps = steps
        self.validation = validation

    @property
    def look(self) -> str:
        """What it runs over, in words."""
        return self._supply.look

    @property
    def hooks(self) -> list[Hooks]:
        """Those of the data, and of what is validated on."""
        found = [self._supply.hooks, self.validation.hooks if isinstance(self.validation, Validation) else None]
        return [hooks for hooks in found if hooks is not None]

    @property
    def order(self) -> int:
        """The seed of the order, where it is ours."""
        return self._order

    @order.setter
    def order(self, seed: int) -> None:
        self._order = seed
        if self._supply.spans is not None:
            self._supply.spans.seed = seed
        if self._supply.chance is not None:
            self._supply.chance.manual_seed(seed)

    @property
    def num_batches(self) -> int | None:
        """As Keras's own adapter says; but where epochs are counted otherwise, Keras is not to count batches, too."""
        ours = self._supply.spans is not None and self.steps is not None
        found: int | None = None if ours else self._adapter.num_batches
        return found

    @property
    def batch_size(self) -> Any:
        """As Keras's own adapter says."""
        return self._adapter.batch_size

    @property
    def has_partial_batch(self) -> Any:
        """As Keras's own adapter says."""
        return self._adapter.has_partial_batch

    @property
    def partial_batch_size(self) -> Any:
        """As Keras's own adapter says."""
        return self._adapter.partial_batch_size

    def get_torch_dataloader(self) -> Feed:
        """Keras iterates this; and sometimes once more than it draws, so nothing happens before the first draw."""
        return self

    def get_jax_iterator(self) -> Iterator[Any]:
        """Keras draws from it as from a loader of torch."""
        return iter(self)

    def get_tf_dataset(self) -> Feed:
        """Keras draws from it itself only to build the model; the batches of steps are handed to it one by one."""
        return self

    def __iter__(self) -> Iterator[Any]:
        return _Draws(self)

    def on_epoch_begin(self) -> None:
        """Keras is about to iterate."""
        if self._supply.hooks is not None:
            self._supply.hooks.epoch_begins()

    def on_epoch_end(self) -> None:
        """Keras has drawn all that it wants: the pass learns that its last step is done."""
        if self._items is not None:
            next(self._items, None)
            self._close()
        if self._supply.hooks is not None:
            self._supply.hooks.epoch_ends()

    def begin(self, epoch: int) -> None:
        """From now on batches are drawn to be trained on, in the epoch of this number."""
        self._training = True
        if self._supply.spans is not None:
            self._supply.spans.epoch = epoch

    def open(self) -> int:
        """Enter the pass of this epoch; returns how many of its batches were trained on before."""
        if not self._training:
            return 0
        self._items = iter(self._loops.batches(self._supply.loader, ahead=False))
        self._waiting = next(self._items, _END)
        return 0 if self._waiting is _END else self._loops.cursor.open_loops[-1].frame.index - 1

    def draw(self) -> Any:
        """The next batch."""
        if not self._training:
            with seeded(0, 0):
                return self._supply.finish(next(iter(self._supply.loader)))
        if self._items is None:
            raise StopIteration
        item, self._waiting = self._waiting, _END
        return self._supply.finish(next(self._items) if item is _END else item)

    def leave(self) -> None:
        """Nothing more is drawn in this epoch, whether all of it was trained on or not."""
        self._training = False
        self._close()

    def _close(self) -> None:
        items, self._items, self._waiting = self._items, None, _END
        if items is not None:
            items.close()  # type: ignore[attr-defined]


class _Draws:
    """One iteration by Keras; dropping it in the middle, as Keras does, ends nothing."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._feed.draw()


def feed_for(loops: Loops, options: Mapping[str, Any], *, number: int) -> Feed:
    """The batches for the fit of this number with these arguments; `UsageError` if they could not be brought back
    after a restart."""
    supply, adapter = supply_for(
        options["x"],
        lambda: data_adapters.get_data_adapter(**{name: options[name] for name in _FOR_ADAPTER}),
        steps=options["steps_per_epoch"],
        shuffle=options["shuffle"],
        number=number,
    )
    validation = Validation.of(options["validation_data"])
    return Feed(adapter, supply, loops, steps=options["steps_per_epoch"], validation=validation)
