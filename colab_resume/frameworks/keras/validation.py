"""The data that a `fit` validates on, where they change themselves between epochs."""

from __future__ import annotations

from typing import Any

from keras import backend
from keras.src.trainers.data_adapters.data_adapter import DataAdapter
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from keras.src.trainers.data_adapters.torch_data_loader_adapter import TorchDataLoaderAdapter
from keras.utils import PyDataset
from torch.utils.data import DataLoader

from ...errors import UsageError
from ...training.data.randomness import seeded
from ...training.objects.whose import is_tf_dataset
from .hooks import Hooks, has_hooks

__all__ = ["Validation"]


class Validation(DataAdapter):  # type: ignore[misc]
    """Keras's own adapter in every respect, but what its dataset changes in itself is noticed."""

    def __init__(self, data: Any, adapter: Any) -> None:
        self._adapter = adapter
        self.hooks = Hooks(data)
        if backend.backend() == "tensorflow":
            # It looks at some batches the first time, in each process: that must not move what the training draws.
            with seeded(0, 0):
                adapter.get_tf_dataset()

    @classmethod
    def of(cls, given: Any) -> Any:
        """What stands for `validation_data`; most kinds do not change, and stay as they are."""
        on_tensorflow = backend.backend() == "tensorflow"
        if on_tensorflow and is_tf_dataset(given):
            _refuse_shuffled(given)
        if isinstance(given, PyDataset) and (on_tensorflow or has_hooks(given)):
            return cls(given, PyDatasetAdapter(given))
        if isinstance(given, DataLoader) and on_tensorflow:
            return cls(given, TorchDataLoaderAdapter(given))
        return given

    @property
    def num_batches(self) -> Any:
        """As Keras's own adapter says."""
        return self._adapter.num_batches

    @property
    def batch_size(self) -> Any:
        """As Keras's own adapter says."""
        return self._adapter.batch_size

    def get_torch_dataloader(self) -> Any:
        """As Keras's own adapter gives it."""
        return self._adapter.get_torch_dataloader()

    def get_jax_iterator(self) -> Any:
        """As Keras's own adapter gives it."""
        return self._adapter.get_jax_iterator()

    def get_tf_dataset(self) -> Any:
        """As Keras's own adapter gives it."""
        return self._adapter.get_tf_dataset()

    def on_epoch_begin(self) -> None:
        """Keras is about to iterate."""
        with self.hooks.watched():
            self._adapter.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Keras has iterated."""
        with self.hooks.watched():
            self._adapter.on_epoch_end()


def _refuse_shuffled(data: Any) -> None:
    from ...training.tensorflow.datasets import memory_of

    if memory_of(data) is not None:
        raise UsageError(
            "validation_data is shuffled anew each time: after a restart its order, and so the last bits of what is "
            "measured, would be others",
            hint="leave out shuffle() there: it changes nothing in what is measured",
        )
