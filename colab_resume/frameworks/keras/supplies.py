"""Where the batches of a `fit` come from: arrays and a `PyDataset` get a torch `DataLoader`, another is taken as it is.

What could not be brought back after a restart is refused here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from keras import tree
from keras.src.backend.torch.core import convert_to_tensor
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from keras.src.trainers.data_adapters.torch_data_loader_adapter import TorchDataLoaderAdapter
from keras.utils import PyDataset
from torch.utils.data import DataLoader, Dataset, RandomSampler, SequentialSampler

from ...display.text import warn
from ...errors import UsageError
from ...training.data.randomness import mixed
from .hooks import Hooks
from .spans import Spans

__all__ = ["Supply", "supply_for"]

_GIVE = "give arrays, a keras.utils.PyDataset or a torch DataLoader"


@dataclass(frozen=True, kw_only=True)
class Supply:
    """A loader, and what it runs over in words. `finish`: what becomes of its batches. `spans`: its order, if the data
    go on from epoch to epoch. `hooks`: what is called between epochs."""

    loader: DataLoader[Any]
    look: str
    finish: Callable[[Any], Any] = lambda batch: batch
    spans: Spans | None = None
    hooks: Hooks | None = None


def supply_for(
    x: Any, adapt: Callable[[], Any], *, steps: int | None, shuffle: bool | str, number: int
) -> tuple[Supply, Any]:
    """The supply for the fit of this number, and the adapter that Keras would have taken, which `adapt` makes."""
    if hasattr(type(x), "__next__") and not isinstance(x, PyDataset):
        raise UsageError(f"fit({type(x).__name__}): it cannot say after a restart where it was", hint=_GIVE)
    adapter = adapt()
    if isinstance(adapter, ArrayDataAdapter):
        return _over_arrays(adapter, steps, shuffle, number), adapter
    if isinstance(adapter, PyDatasetAdapter):
        return _over_py_dataset(adapter, steps, number), adapter
    if isinstance(adapter, TorchDataLoaderAdapter):
        return _over_loader(x, adapter, steps), adapter
    raise UsageError(f"fit({type(x).__name__}) is not known here", hint=_GIVE)


def _over_arrays(adapter: ArrayDataAdapter, steps: int | None, shuffle: bool | str, number: int) -> Supply:
    samples, size = adapter._num_samples, adapter.batch_size
    look = f"{samples} samples in batches of {size}, shuffle={shuffle}{_each(steps)}"
    loader = adapter.get_torch_dataloader()
    if steps is None or steps == adapter.num_batches:
        return Supply(loader=loader, look=look)
    order = shuffle if shuffle == "batch" else bool(shuffle)
    spans = Spans(samples, size, steps, order, seed=mixed(torch.initial_seed(), number))
    anew: DataLoader[Any] = DataLoader(loader.dataset, batch_sampler=spans, collate_fn=loader.collate_fn)
    return Supply(loader=anew, look=look, spans=spans)


def _over_py_dataset(adapter: PyDatasetAdapter, steps: int | None, number: int) -> Supply:
    data, batches = adapter.py_dataset, adapter.py_dataset.num_batches
    _refuse_counting(data)
    if batches is None and steps is None:
        raise UsageError("a PyDataset without an end, and no steps_per_epoch", hint="say steps_per_epoch")
    workers = data.workers if data.use_multiprocessing else 0
    if data.workers > 1 and not workers:
        warn(
            "threads would share one random generator, so batches are made one after the other; "
            "use_multiprocessing=True makes them in processes"
        )
    shuffle, spans = bool(adapter.shuffle), None
    if steps is not None and steps != batches:
        spans = Spans(batches, None, steps, shuffle, seed=mixed(torch.initial_seed(), number))
    in_one = RandomSampler(range(batches or 0)) if shuffle and batches else SequentialSampler(range(batches or 0))
    return Supply(
        loader=DataLoader(
            _Batches(data, adapter._standardize_batch, batches),
            batch_size=None,
            sampler=spans or in_one,
            collate_fn=_as_it_is,
            num_workers=workers,
        ),
        look=f"{type(data).__qualname__} of {batches} batches, shuffle={shuffle}{_each(steps)}",
        finish=_on_the_device,
        spans=spans,
        hooks=Hooks(data),
    )


def _over_loader(loader: DataLoader[Any], adapter: TorchDataLoaderAdapter, steps: int | None) -> Supply:
    if steps is not None and steps != adapter.num_batches:
        raise UsageError(
            f"steps_per_epoch={steps}, and the DataLoader has {adapter.num_batches or 'nobody knows how many'} "
            "batches: an epoch would begin in its middle",
            hint="leave steps_per_epoch out, and let the sampler decide how many there are",
        )
    size = "" if adapter.num_batches is None else f" of {adapter.num_batches} batches"
    return Supply(loader=loader, look=f"a {type(loader).__name__}{size}")


def _refuse_counting(data: Any) -> None:
    """Keras's old image iterators count their batches, and with a seed each batch's chance hangs on that count."""
    if getattr(data, "total_batches_seen", None) is not None and getattr(data, "seed", None) is not None:
        raise UsageError(
            f"{type(data).__qualname__} with a seed: its chance hangs on how many batches this process has made",
            hint="leave its seed out: chance comes from the run, the same after each restart",
        )


def _each(steps: int | None) -> str:
    return "" if steps is None else f", {steps} steps in each epoch"


class _Batches(Dataset[Any]):
    """A `PyDataset` as torch's workers want it."""

    def __init__(self, data: Any, standardize: Callable[[Any], Any], number: int | None) -> None:
        self.data = data
        self._standardize = standardize
        self._number = number

    def __len__(self) -> int:
        if self._number is None:
            raise TypeError("no end")
        return self._number

    def __getitem__(self, index: int) -> Any:
        return self._standardize(self.data[index])


def _as_it_is(batch: Any) -> Any:
    return batch


def _on_the_device(batch: Any) -> Any:
    return tree.map_structure(convert_to_tensor, batch, none_is_leaf=False)
