"""The data that a `fit` validates on, where they change themselves between epochs."""

from __future__ import annotations

from typing import Any

from keras.src.trainers.data_adapters.data_adapter import DataAdapter
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from keras.utils import PyDataset

from .hooks import Hooks, has_hooks

__all__ = ["Validation"]


class Validation(DataAdapter):  # type: ignore[misc]
    """Keras's own adapter in every respect, but what its dataset changes in itself is noticed."""

    def __init__(self, data: Any) -> None:
        self._adapter = PyDatasetAdapter(data)
        self.hooks = Hooks(data)

    @classmethod
    def of(cls, given: Any) -> Any:
        """What stands for `validation_data`; most kinds do not change, and stay as they are."""
        return cls(given) if isinstance(given, PyDataset) and has_hooks(given) else given

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
