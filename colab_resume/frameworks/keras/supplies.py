"""Where the batches of a `fit` come from: arrays and a `PyDataset` get a torch `DataLoader`, other data stay as is.

What could not be brought back after a restart is refused here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from keras import backend, tree
from keras.src.backend import convert_to_tensor
from keras.src.trainers.data_adapters import array_slicing
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from keras.src.trainers.data_adapters.torch_data_loader_adapter import TorchDataLoaderAdapter
from keras.utils import PyDataset
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler

from ...display.text import warn
from ...errors import UsageError
from ...training.data.batches import look_of
from ...training.data.randomness import mixed
from ...training.objects.whose import is_tf_dataset
from .hooks import Hooks
from .spans import Spans

__all__ = ["Supply", "supply_for"]

_GIVE = "give arrays, a keras.utils.PyDataset, a torch DataLoader or, on TensorFlow, a tf.data.Dataset"


@dataclass(frozen=True, kw_only=True)
class Supply:
    """A loader, and what it runs over in words. `finish`: what becomes of its batches. `seed`: that of the order.
    `chance`: from whose seed the order of each epoch is made, if not from torch's. `spans`: the order, if it goes on
    from epoch to epoch. `hooks`: what is called between epochs."""

    loader: Any
    look: str
    finish: Callable[[Any], Any]
    seed: int = 0
    chance: torch.Generator | None = None
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
        return _over_arrays(adapter, steps, shuffle, _seed(number)), adapter
    if isinstance(adapter, PyDatasetAdapter):
        return _over_py_dataset(adapter, steps, _seed(number)), adapter
    if isinstance(adapter, TorchDataLoaderAdapter):
        return _over_loader(x, adapter, steps), adapter
    if is_tf_dataset(x) and backend.backend() == "tensorflow":
        return _over_tf_dataset(x, adapter, steps), adapter
    raise UsageError(f"fit({type(x).__name__}) is not known here", hint=_GIVE)


def _over_arrays(adapter: ArrayDataAdapter, steps: int | None, shuffle: bool | str, seed: int) -> Supply:
    samples, size = adapter._num_samples, adapter.batch_size
    look = f"{samples} samples in batches of {size}, shuffle={shuffle}{_each(steps)}"
    spans = None
    if shuffle == "batch" or steps not in (None, adapter.num_batches):
        every = steps or adapter.num_batches
        spans = Spans(samples, size, every, shuffle, seed=seed)
    one_by_one = RandomSampler(range(samples)) if shuffle else SequentialSampler(range(samples))
    order = spans or BatchSampler(one_by_one, size, drop_last=False)
    chance = _chance(seed)
    loader: DataLoader[Any] = DataLoader(_Slices(adapter), batch_sampler=order, collate_fn=_as_it_is, generator=chance)
    return Supply(loader=loader, look=look, finish=_on_the_device, seed=seed, chance=chance, spans=spans)


def _over_py_dataset(adapter: PyDatasetAdapter, steps: int | None, seed: int) -> Supply:
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
        spans = Spans(batches, None, steps, shuffle, seed=seed)
    in_one = RandomSampler(range(batches or 0)) if shuffle and batches else SequentialSampler(range(batches or 0))
    chance = _chance(seed)
    return Supply(
        loader=DataLoader(
            _Batches(data, adapter._standardize_batch, batches),
            batch_size=None,
            sampler=spans or in_one,
            collate_fn=_as_it_is,
            num_workers=workers,
            generator=chance,
        ),
        look=f"{type(data).__qualname__} of {batches} batches, shuffle={shuffle}{_each(steps)}",
        finish=_on_the_device,
        seed=seed,
        chance=chance,
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
    look = f"a {type(loader).__name__}{size}"
    return Supply(loader=loader, look=look, finish=_as_it_is if backend.backend() == "torch" else _on_the_device)


def _over_tf_dataset(x: Any, adapter: Any, steps: int | None) -> Supply:
    if steps is not None:
        raise UsageError(
            f"steps_per_epoch={steps} with tf.data: an epoch would begin in the middle of the data",
            hint="say dataset.take(steps), or let an epoch be all of the data",
        )
    return Supply(loader=adapter.get_tf_dataset(), look=look_of(x), finish=_as_it_is)


def _seed(number: int) -> int:
    """For the fit of this number. `keras.utils.set_random_seed` seeds torch only where Keras runs on it."""
    return mixed(torch.initial_seed(), number) if backend.backend() == "torch" else random.getrandbits(62)


def _chance(seed: int) -> torch.Generator | None:
    return None if backend.backend() == "torch" else torch.Generator().manual_seed(seed)


def _refuse_counting(data: Any) -> None:
    """Keras's old image iterators count their batches, and with a seed each batch's chance hangs on that count."""
    if getattr(data, "total_batches_seen", None) is not None and getattr(data, "seed", None) is not None:
        raise UsageError(
            f"{type(data).__qualname__} with a seed: its chance hangs on how many batches this process has made",
            hint="leave its seed out: chance comes from the run, the same after each restart",
        )


def _each(steps: int | None) -> str:
    return "" if steps is None else f", {steps} steps in each epoch"


class _Slices(Dataset[Any]):
    """Batches of arrays, cut as Keras cuts them."""

    def __init__(self, adapter: ArrayDataAdapter) -> None:
        target = "torch" if backend.backend() == "torch" else "numpy"
        self._arrays = array_slicing.convert_to_sliceable(adapter._inputs, target_backend=target)
        self._samples = adapter._num_samples

    def __len__(self) -> int:
        return int(self._samples)

    def __getitems__(self, indices: list[int]) -> Any:
        def cut(array: Any) -> Any:
            part = array[indices]
            torchs = backend.backend() == "torch"
            return array.convert_to_torch_compatible(part) if torchs else array.convert_to_numpy(part)

        return tree.map_structure(cut, self._arrays, none_is_leaf=False)


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
    return tree.map_structure(_tensor, batch, none_is_leaf=False)


def _tensor(part: Any) -> Any:
    if isinstance(part, torch.Tensor) and backend.backend() != "torch":
        part = part.numpy()
    return part if isinstance(part, np.ndarray) and _takes_arrays() else convert_to_tensor(part)


def _takes_arrays() -> bool:
    """On JAX's CPU Keras hands arrays to the step as they are, where they need not be copied."""
    if backend.backend() != "jax":
        return False
    import jax

    return str(jax.default_backend()) == "cpu"
