"""The tensors of a checkpoint that is being restored: who gets which memory, and what it holds."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from checkpoints.drafts import commit, manifest, slab

from colab_resume.checkpoints.manifest import Manifest
from colab_resume.checkpoints.memory_room import LAST
from colab_resume.checkpoints.pack_file import read_pack
from colab_resume.checkpoints.store import Store
from colab_resume.checkpoints.tensors import RestoredTensors, fits
from colab_resume.errors import DamagedCheckpoint


def land(store: Store, made: Manifest, *, keep: bool = True) -> RestoredTensors:
    """Read the packs of a checkpoint, as a restore does."""
    tensors = RestoredTensors(made, store.pack_path, keep=keep)
    for pack, info in made.packs.items():
        stream = read_pack(store.pack_path(pack), info, place=partial(tensors.place, pack))
        tensors.settle(pack, stream.digests)
    return tensors


@pytest.fixture
def made(store: Store) -> Manifest:
    """A checkpoint of three tensors, two of which are equal, in two packs."""
    return commit(store, 1, slab("a", 1, 8000), slab("b", 2, 8000), slab("c", 1, 8000))


def remove_packs(store: Store, made: Manifest) -> None:
    """From now on, nothing can be read from the disk."""
    for pack in made.packs:
        store.pack_path(pack).unlink()


def test_what_has_landed_is_given_out_without_the_disk(store: Store, made: Manifest) -> None:
    """All of it was read while the packs were proved."""
    tensors = land(store, made)
    remove_packs(store, made)
    assert [tensors.take(index, again=False).unique().tolist() for index in range(3)] == [[1], [2], [1]]


def test_equal_tensors_have_memory_of_their_own(store: Store, made: Manifest) -> None:
    """They lie in the pack once, and whoever changes one does not change the other."""
    assert made.tensors[0] == made.tensors[2]
    tensors = land(store, made)
    tensors.take(0, again=False).fill_(9)
    assert tensors.take(2, again=False).unique().tolist() == [1]


def test_who_asks_for_himself_never_gets_what_another_has(store: Store, made: Manifest) -> None:
    """A second object of the same name gets the same content in other memory."""
    tensors = land(store, made)
    first, second = tensors.take(0, again=False), tensors.take(0, again=False)
    assert first.data_ptr() != second.data_ptr()
    first.fill_(9)
    assert second.unique().tolist() == [1]
    # And what comes for good belongs to the one that asked last.
    assert tensors.take(0, again=True).data_ptr() == second.data_ptr()


def test_what_nobody_has_changed_is_given_out_again(store: Store, made: Manifest) -> None:
    """The same memory, and the disk is not needed."""
    tensors = land(store, made)
    first = tensors.take(0, again=False)
    remove_packs(store, made)
    assert tensors.take(0, again=True).data_ptr() == first.data_ptr()


@pytest.mark.parametrize("place", [0, 4000, 7999])
def test_what_somebody_has_changed_is_read_again(store: Store, made: Manifest, place: int) -> None:
    """One changed byte is enough; whoever has changed it keeps what he has."""
    tensors = land(store, made)
    first = tensors.take(0, again=False)
    first.data[place] = 9
    again = tensors.take(0, again=True)
    assert again.unique().tolist() == [1]
    assert again.data_ptr() != first.data_ptr()
    assert first[place].item() == 9


def test_what_is_let_go_is_freed_and_can_still_be_had(store: Store, made: Manifest) -> None:
    """It is read from the disk then, and not kept."""
    tensors = land(store, made)
    first = tensors.take(0, again=False)
    tensors.let_go()
    again = tensors.take(0, again=True)
    assert again.data_ptr() != first.data_ptr()
    assert torch.equal(again, first)


def test_where_memory_is_short_nothing_is_kept(store: Store, made: Manifest) -> None:
    """The packs are proved, and each tensor is read when it is asked for."""
    tensors = land(store, made, keep=False)
    assert tensors.place(made.tensors[0].pack, "a", ("U8", (8000,))) is None
    first = tensors.take(0, again=False)
    assert torch.equal(tensors.take(0, again=True), first)
    remove_packs(store, made)
    with pytest.raises(DamagedCheckpoint):
        tensors.take(0, again=True)


def test_only_what_the_manifest_wants_gets_memory(store: Store) -> None:
    """Dead tensors in a pack that lives on are proved, and not kept."""
    first = commit(store, 1, slab("a", 1, 900), slab("b", 2, 100))
    second = commit(store, 2, slab("a", 1, 900), slab("b", 3, 100), parent=first.name)
    (pack,) = first.packs
    tensors = RestoredTensors(second, store.pack_path, keep=True)
    assert tensors.place(pack, "b", ("U8", (100,))) is None
    assert tensors.place(pack, "a", ("U8", (900,))) is not None


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    "change",
    [{"key": "z"}, {"shape": (80, 100)}, {"dtype": "I8"}, {"digest": "0" * 32}],
    ids=lambda change: next(iter(change)),
)
def test_a_manifest_that_means_something_else_is_damage(
    store: Store, made: Manifest, change: dict[str, object], keep: bool
) -> None:
    """The packs are sound and are not what it says: nothing is given out."""
    lying = replace(made, tensors=(replace(made.tensors[0], **change), *made.tensors[1:2]))
    with pytest.raises(DamagedCheckpoint, match="not the tensor that the manifest means"):
        land(store, lying, keep=keep)


@pytest.mark.parametrize(("more", "expected"), [(0, True), (-1, False)])
def test_there_must_be_memory_for_all_tensors_twice_and_some_left(more: int, expected: bool) -> None:
    """As they are read and as they are used; the last of it is left alone."""
    small = manifest()
    (ref,) = small.tensors
    assert fits(small, LAST + 2 * ref.nbytes + more) is expected
