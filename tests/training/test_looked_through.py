"""A loader that is wrapped by the run is still that loader, to whoever asks."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from colab_resume.training.looked_through import looked_through


def _wrapped(loader: Any) -> Any:
    return looked_through(loader, lambda: iter(["a pass"]))


def _loader(**options: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.arange(10)), 3, **options)


@pytest.mark.parametrize(
    "name", ["dataset", "batch_size", "num_workers", "sampler", "batch_sampler", "collate_fn", "drop_last", "generator"]
)
def test_every_attribute_is_the_loaders_own(name: str) -> None:
    """The very object, not a copy."""
    loader = _loader(num_workers=2, shuffle=True)
    assert getattr(_wrapped(loader), name) is getattr(loader, name)


def test_length_type_truth_and_text_are_the_loaders_own() -> None:
    """`len`, `isinstance`, `bool` and `repr`; a subclass stays one."""

    class Own(DataLoader[Any]):
        pass

    loader = Own(TensorDataset(torch.arange(10)), 3)
    wrapped = _wrapped(loader)
    assert (len(wrapped), bool(wrapped), repr(wrapped)) == (4, True, repr(loader))
    assert isinstance(wrapped, Own)
    assert isinstance(wrapped, DataLoader)
    assert isinstance(wrapped, Iterable)
    assert not isinstance(wrapped, Iterator)
    assert not _wrapped([])


def test_what_the_loader_cannot_do_the_wrapped_one_cannot_either() -> None:
    """No length where there is none, no `next` on what is no iterator, no attribute that is not there."""

    class Endless(IterableDataset[int]):
        def __iter__(self) -> Iterator[int]:
            yield 1

    wrapped = _wrapped(DataLoader(Endless()))
    with pytest.raises(TypeError):
        len(wrapped)
    with pytest.raises(TypeError, match="not an iterator"):
        next(wrapped)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        wrapped.nothing  # noqa: B018
    assert _wrapped([1, 2])[1] == 2


def test_iterating_is_a_pass_each_time() -> None:
    """Only that is changed; an iterator stays one, whose `next` goes on with the same pass."""
    wrapped = _wrapped(_loader())
    assert [list(wrapped), list(wrapped)] == [["a pass"], ["a pass"]]
    iterator = _wrapped(iter([1]))
    assert next(iterator) == "a pass"
    assert list(iterator) == []


def test_an_attribute_set_through_it_is_set_on_the_loader() -> None:
    """As `loader.epoch = 3` before the loop may be written either way."""
    loader = _loader()
    _wrapped(loader).epoch = 3
    assert loader.epoch == 3  # type: ignore[attr-defined]


def test_nothing_is_kept_alive() -> None:
    """When the loader is let go of, so is its data."""
    loader = _loader()
    data = weakref.ref(loader.dataset)
    wrapped = _wrapped(loader)
    del loader, wrapped
    gc.collect()
    assert data() is None
