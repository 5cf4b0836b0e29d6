"""How a `fit` of Keras tells the run where it is, without noticing.

The first of all callbacks begins the epochs. The iterator by which Keras counts its steps is led past those that were
done before a restart: callbacks see the numbers they would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

from keras import backend
from keras.callbacks import Callback

from ...training.loops import Loops
from .feeding import Feed

__all__ = ["Steps", "announced", "guided"]

_END = object()


class Steps(Callback):  # type: ignore[misc]
    """The loop over the epochs of one `fit`; the first callback."""

    def __init__(self, loops: Loops, name: str, epochs: int, feed: Feed) -> None:
        super().__init__()
        self._turns = loops.counted("epochs", epochs, name)
        self._loops = loops
        self._feed = feed
        self.turns = loops.cursor.turns(name)
        """Epochs that are done, the current one included."""

    def on_epoch_begin(self, _epoch: int, _logs: Any = None) -> None:
        """The epoch before this one is complete, with all that callbacks have done at its end."""
        self.turns = next(self._turns) + 1
        self._feed.begin(self.turns - 1)

    def epoch_ends(self) -> None:
        """No more batches are drawn in this epoch, whether all were trained on or not."""
        self._feed.leave()

    def end(self) -> None:
        """`fit` has returned: its last epoch is complete, and so is the loop, also if it was stopped early."""
        self._loops.end_with_this_turn()
        next(self._turns, None)

    def leave(self) -> None:
        """Whatever is open is left early; if nothing is, nothing happens."""
        self._feed.leave()
        self._turns.close()  # type: ignore[attr-defined]


@contextmanager
def guided(model: Any, feed: Feed) -> Iterator[None]:
    """While Keras's `fit` runs: the iterator that it makes for this feed goes on where the run stopped."""
    name = "_maybe_symbolic_build" if backend.backend() == "tensorflow" else "_symbolic_build"
    build = getattr(model, name)

    def guide(iterator: Any = None, **others: Any) -> Any:
        # The only place where Keras shows the iterator of a `fit` before it is used.
        if iterator is None or iterator.data_adapter is not feed:
            return build(iterator=iterator, **others)
        iterator._enumerate_iterator = _Guide(iterator, feed, model)
        if backend.backend() == "jax":  # for a GPU Keras would draw one batch more than it trains on
            iterator._get_iterator = feed.__iter__
        # On TensorFlow Keras would build the model in its first step, and nothing could be put into it before.
        return model._symbolic_build(iterator=iterator) if name != "_symbolic_build" else build(iterator=iterator)

    vars(model)[name] = guide
    try:
        yield
    finally:
        del vars(model)[name]


@contextmanager
def announced(optimizers: Iterable[Any], before_step: Callable[[], None]) -> Iterator[None]:
    """While Keras's `fit` runs: `before_step` is called before one of these changes anything."""
    with ExitStack() as stack:
        for optimizer in optimizers:
            stack.enter_context(_announced(optimizer, before_step))
        yield


@contextmanager
def _announced(optimizer: Any, before_step: Callable[[], None]) -> Iterator[None]:
    home = vars(optimizer)  # past Keras's own __setattr__
    before, apply = home.get("apply"), optimizer.apply

    def announce(*args: Any, **options: Any) -> Any:
        before_step()
        return apply(*args, **options)

    home["apply"] = announce
    try:
        yield
    finally:
        del home["apply"]
        if before is not None:
            home["apply"] = before


class _Guide:
    """Counts the steps of each epoch as Keras does, from the one where the run stopped."""

    def __init__(self, iterator: Any, feed: Feed, model: Any) -> None:
        self._iterator = iterator
        self._model = model
        self._is_traced = False
        self._enumerate_all = iterator._enumerate_iterator
        self._feed = feed

    def __call__(self) -> Iterator[Any]:
        # Where data had no length before it takes the steps of one epoch, which may have been a shorter one.
        self._iterator._num_batches = self._feed.num_batches
        steps = self._enumerate_all()
        step = next(steps, _END)
        if step is _END:
            return
        for _ in range(self._feed.open()):
            step = next(steps)
        for begin, end, batches in chain([step], steps):
            if backend.backend() == "torch":
                yield begin, end, batches
                continue
            # The step would draw its batch itself, after callbacks have heard that it begins.
            if (batch := next(batches, _END)) is _END:
                self._feed.on_epoch_end()
                return
            if backend.backend() == "tensorflow":
                self._trace(batch)
            yield begin, end, iter([batch])

    def _trace(self, batch: Any) -> None:
        if self._is_traced or self._model.train_function is None:  # it is not, while the model is built
            return
        from .tracing import trace

        trace(self._model.train_function, batch)
        self._is_traced = True
