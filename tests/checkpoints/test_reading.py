"""Tensors read one by one: straight into memory of their own, and never without their digest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from checkpoints.drafts import commit, raw, slab, tensor

from colab_resume.checkpoints.encoding.layout import STORED_DTYPES
from colab_resume.checkpoints.header import ITEM_SIZES
from colab_resume.checkpoints.manifest import Manifest
from colab_resume.checkpoints.pack import Slab
from colab_resume.checkpoints.reading import tensor_reader
from colab_resume.checkpoints.store import Store
from colab_resume.errors import DamagedCheckpoint

SHAPES: Sequence[tuple[int, ...]] = ((), (0,), (3, 0, 2), (5,), (2, 3), (300, 500))


def content(found: torch.Tensor) -> bytes:
    """The bytes of a tensor."""
    return found.reshape(-1).view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("dtype", ITEM_SIZES)
def test_every_dtype_and_shape_comes_back(store: Store, dtype: str) -> None:
    """The same bytes, as the tensor that was written."""
    slabs: list[Slab] = []
    for number, shape in enumerate(SHAPES):
        size = torch.Size(shape).numel() * ITEM_SIZES[dtype]
        slabs.append(
            tensor(f"t{number}", dtype, shape, bytes(i % (2 if dtype == "BOOL" else 251) for i in range(size)))
        )
    read = tensor_reader(commit(store, 1, *slabs), store.pack_path)
    for index, one in enumerate(slabs):
        found = read(index)
        assert (found.dtype, tuple(found.shape)) == (STORED_DTYPES[dtype], one.shape)
        assert content(found) == raw(one)
        assert found.is_contiguous()


def test_each_tensor_has_memory_of_its_own(store: Store) -> None:
    """Writing into one changes neither another one nor the same one read again."""
    read = tensor_reader(commit(store, 1, slab("a", 1), slab("b", 2)), store.pack_path)
    first, other = read(0), read(1)
    first.fill_(9)
    assert read(0).unique().tolist() == [1]
    assert other.unique().tolist() == [2]
    assert other.untyped_storage().nbytes() == 1000


def test_torchs_defaults_do_not_matter(store: Store) -> None:
    """Tensors come on the CPU even if everything new is to be made elsewhere."""
    read = tensor_reader(commit(store, 1, slab("a", 1)), store.pack_path)
    with torch.device("meta"):
        assert read(0).unique().tolist() == [1]


def damage(store: Store, made: Manifest, place: int) -> None:
    """Change one bit of its only pack."""
    path = store.pack_path(*made.packs)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_is_noticed_by_whoever_reads_it(store: Store) -> None:
    """And by nobody else: what is intact can be had."""
    made = commit(store, 1, slab("a", 1), slab("b", 2))
    damage(store, made, -1)
    read = tensor_reader(made, store.pack_path)
    assert read(0).unique().tolist() == [1]
    with pytest.raises(DamagedCheckpoint, match="another digest"):
        read(1)


def test_a_pack_that_ends_too_soon_is_noticed(store: Store) -> None:
    """Also if it does so after its header was read."""
    made = commit(store, 1, slab("a", 1), slab("b", 2))
    read = tensor_reader(made, store.pack_path)
    read(0)
    os.truncate(store.pack_path(*made.packs), 600)
    with pytest.raises(DamagedCheckpoint):
        read(1)
    with pytest.raises(DamagedCheckpoint):
        tensor_reader(made, store.pack_path)(1)


@pytest.mark.parametrize(
    "change",
    [{"key": "c"}, {"shape": (500, 2)}, {"dtype": "I8"}, {"digest": "0" * 32}],
    ids=lambda change: next(iter(change)),
)
def test_a_tensor_that_is_not_what_the_manifest_means_is_damage(store: Store, change: dict[str, object]) -> None:
    """Another key, shape, dtype or content."""
    made = commit(store, 1, slab("a", 1))
    lying = replace(made, tensors=(replace(made.tensors[0], **change),))
    with pytest.raises(DamagedCheckpoint):
        tensor_reader(lying, store.pack_path)(0)


def test_progress_tells_what_was_read(store: Store) -> None:
    """The bytes of each tensor, when it is there."""
    told: list[int] = []
    read = tensor_reader(commit(store, 1, slab("a", 1), slab("b", 2, 800)), store.pack_path, told.append)
    read(1)
    read(0)
    assert told == [800, 1000]
