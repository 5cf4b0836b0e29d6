"""The loader that the Trainer is given in place of its own.

The Trainer passes over batches that it has trained on by Accelerate's `skip_first_batches`, which makes a new loader of
the one it has; from an iterable dataset that one draws them and throws them away. So this loader says that its dataset
is one, and gives nothing at all for those: no data are loaded, and the first real batch is the one that comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

from torch.utils.data import IterableDataset

from ...training.data.batches import size_of
from ...training.data.wrapped import make_generator

__all__ = ["FollowedLoader"]


class FollowedLoader:
    """Hands out what `draw` gives. `users_own` is the Trainer's own loader, `inner` the one that batches come from;
    `passed_over` tells how many batches of the current epoch are not to be given again.

    `batch_size`, `drop_last`, `prefetch_factor`, `collate_fn` and `dataset` are what Accelerate makes another loader
    of: one that hands on whole batches as they are.
    """

    batch_size = None
    drop_last = False
    prefetch_factor = None

    def __init__(
        self, users_own: Any, *, draw: Callable[[FollowedLoader], Iterator[Any]], passed_over: Callable[[], int]
    ) -> None:
        self.users_own = users_own
        self.inner = getattr(users_own, "base_dataloader", users_own)
        self.size = size_of(self.inner)
        self.collate_fn = _as_it_is
        self.dataset = _Batches(self, passed_over)
        self._draw = draw
        make_generator(getattr(getattr(self.inner, "batch_sampler", None), "sampler", None))

    def __len__(self) -> int:
        if self.size is None:
            raise TypeError("nobody knows how many batches there are")
        return self.size

    def __iter__(self) -> Iterator[Any]:
        return self._draw(self)

    def set_epoch(self, epoch: int) -> None:
        """As the Trainer's own loader is told, from which samplers and datasets hear it."""
        if callable(tell := getattr(self.users_own, "set_epoch", None)):
            tell(epoch)


class _Batches(IterableDataset[Any]):
    """What is drawn from where batches are passed over."""

    def __init__(self, loader: FollowedLoader, passed_over: Callable[[], int]) -> None:
        self._loader = loader
        self._passed_over = passed_over

    def __iter__(self) -> Iterator[Any]:
        return chain(repeat(None, self._passed_over()), iter(self._loader))

    def __len__(self) -> int:
        return len(self._loader.users_own.dataset)


def _as_it_is(batch: Any) -> Any:
    return batch
