"""The store: whole checkpoints or none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkpoints.drafts import SESSION, commit, facts, files, largest_file, raw, slab, tensor

from colab_resume.checkpoints.manifest import Manifest
from colab_resume.checkpoints.store import Store
from colab_resume.errors import DamagedCheckpoint, EncodingError, StoreError, UsageError


def sizes(manifest: Manifest) -> dict[str, int]:
    """How many of its tensors lie in each pack, by the pack's checkpoint and number."""
    counts: dict[str, int] = {}
    for ref in manifest.tensors:
        pack = f"{int(ref.pack[:10])}-{ref.pack.split('-')[2][0]}"
        counts[pack] = counts.get(pack, 0) + 1
    return counts


def test_a_committed_checkpoint_is_there(store: Store) -> None:
    """What was committed is listed, read back as it was, whole, and its tensors are those given."""
    given = [slab("a", 1), slab("b", 2, 800, "F64"), tensor("c", "F32", (0, 3), b""), tensor("d", "I16", (), b"\1\0")]
    written = commit(store, 7, *given, metrics={"loss": 0.25}, tags=("mine",))
    assert store.names() == [written.name] == ["0000000007-k3f9a2"]
    assert store.read(written.name) == written
    assert store.missing(written) == []
    store.verify(written)
    read = store.reader(written)
    for index, one in enumerate(given):
        found = read(index)
        assert tuple(found.shape) == one.shape
        assert found.reshape(-1).view(torch_uint8()).tolist() == list(raw(one))


def torch_uint8() -> Any:
    """The dtype of bytes; torch is needed by few tests here."""
    import torch

    return torch.uint8


def test_a_checkpoint_without_tensors_is_one(store: Store) -> None:
    """State that is all plain values makes a checkpoint without a pack."""
    written = store.commit(slabs=[], **facts(1))
    assert written.packs == {}
    store.verify(store.read(written.name))


def test_another_process_sees_what_was_committed(tmp_path: Path) -> None:
    """What one store committed, one opened later in its place reads and goes on with."""
    first = Store(tmp_path / "run", session="aaaaaa")
    parent = commit(first, 1, slab("a", 1))
    first.close()
    second = Store(tmp_path / "run", session="bbbbbb")
    child = commit(second, 1, slab("a", 1), slab("b", 2), parent=parent.name)
    assert second.names() == ["0000000001-aaaaaa", "0000000001-bbbbbb"]
    assert child.tensors[0] == parent.tensors[0]
    second.close()


def test_the_layout_is_that_of_the_design(store: Store) -> None:
    """Manifests, packs, sessions and journals lie where a reader of the format looks for them."""
    written = commit(store, 7)
    assert store.manifest_path(written.name) == store.root / "checkpoints/0000000007-k3f9a2.json"
    assert store.pack_path(*written.packs) == store.root / "packs/0000000007-k3f9a2-0.safetensors"
    assert store.journal_path(SESSION) == store.root / "journal/k3f9a2.jsonl"
    assert store.sessions == store.root / "sessions"
    assert store.manifest_path(written.name).read_bytes() == written.to_bytes()
    assert store.journal_path(SESSION).parent.is_dir()
    assert store.sessions.is_dir()


def test_no_name_leads_out_of_the_folder(store: Store) -> None:
    """Whatever is passed as a name, no path outside the run's folder comes of it."""
    ways: list[Callable[[str], object]] = [store.pack_path, store.manifest_path, store.journal_path]
    for way in ways:
        for name in ("../x", "/etc/passwd", "", "..", "a/b", "0000000007-k3f9a2\n", "x\0"):
            with pytest.raises(UsageError):
                way(name)


# --- what is written and what is referenced


def test_an_unchanged_tensor_is_written_once(store: Store) -> None:
    """A frozen backbone goes to disk with the first checkpoint; later ones refer to it."""
    last = commit(store, 0, slab("frozen", 1, 9_000), slab("head", 100))
    for step in range(1, 6):
        last = commit(store, step, slab("frozen", 1, 9_000), slab("head", 100 + step), parent=last.name)
        assert sizes(last) == {"0-0": 1, f"{step}-0": 1}
        store.verify(last)
    written = sum(path.stat().st_size for path in store.packs.iterdir())
    assert written < 9_000 + 6 * 1_500


def test_equal_tensors_of_one_checkpoint_are_written_once(store: Store) -> None:
    """Tensors with the same bytes, dtype and shape share their place; others with the same bytes do not."""
    same, other_dtype, other_shape = slab("b", 0), slab("c", 0, dtype="I8"), tensor("d", "U8", (10, 100), bytes(1000))
    written = commit(store, 1, slab("a", 0), same, other_dtype, other_shape)
    assert written.tensors[0] == written.tensors[1]
    assert len(set(written.tensors)) == 3


def test_what_lives_is_carried_out_of_a_dead_pack(store: Store) -> None:
    """When less than half of a pack is wanted, the rest is written again, so that the pack can go."""
    first = commit(store, 0, slab("frozen", 1, 4_000), slab("weight", 2, 5_000))
    second = commit(store, 1, slab("frozen", 1, 4_000), slab("weight", 3, 5_000), parent=first.name)
    assert "0-0" not in sizes(second)
    third = commit(store, 2, slab("frozen", 1, 4_000), slab("weight", 4, 5_000), parent=second.name)
    assert third.tensors[0] == second.tensors[0]
    assert store.sweep([second.name, third.name]) == [first.name]
    assert len(list(store.packs.iterdir())) == 3
    store.verify(third)


def test_half_of_a_pack_is_enough_to_live(store: Store) -> None:
    """A pack of which half is wanted stays in use, however small it is."""
    first = commit(store, 0, slab("frozen", 1, 100), slab("weight", 2, 100))
    second = commit(store, 1, slab("frozen", 1, 100), slab("weight", 3, 100), parent=first.name)
    assert second.tensors[0] == first.tensors[0]


def test_packs_are_split_at_their_size(store: Store) -> None:
    """Tensors fill a pack up to its size and go on in the next; one that is larger has its own."""
    written = commit(store, 0, *(slab(f"a{n}", n, 4_000) for n in range(3)), slab("large", 9, 25_000), slab("b", 8))
    assert sizes(written) == {"0-0": 2, "0-1": 1, "0-2": 1, "0-3": 1}


def test_a_parent_that_cannot_be_relied_on_is_not_referenced(store: Store) -> None:
    """A parent whose manifest or pack is lost or damaged costs space, and never the new checkpoint."""
    spoil: list[Callable[[Manifest], object]] = [
        lambda parent: store.pack_path(*parent.packs).unlink(),
        lambda parent: os.truncate(store.pack_path(*parent.packs), 500),
        lambda parent: store.pack_path(*parent.packs).write_bytes(b"\xff" * sum(i.size for i in parent.packs.values())),
        lambda parent: store.manifest_path(parent.name).unlink(),
        lambda parent: store.manifest_path(parent.name).write_bytes(b"{}"),
    ]
    for step, way in enumerate(spoil):
        parent = commit(store, 2 * step, slab("a", 1))
        way(parent)
        child = commit(store, 2 * step + 1, slab("a", 1), parent=parent.name)
        assert child.packs.keys().isdisjoint(parent.packs)
        store.verify(child)


def test_a_step_is_committed_once(store: Store) -> None:
    """Names are written once; a second checkpoint of a step needs a serial number, and then has its own packs."""
    first = commit(store, 1, slab("a", 1))
    with pytest.raises(UsageError, match="exists"):
        commit(store, 1, slab("a", 2))
    second = commit(store, 1, slab("a", 2), serial=1)
    assert second.name == f"{first.name}.1"
    assert store.names() == [first.name, second.name]
    assert store.read(first.name) == first
    assert second.rank > first.rank
    store.verify(first)
    store.verify(second)


def test_a_pack_that_lives_on_is_never_overwritten(store: Store) -> None:
    """A step that is committed again after a sweep leaves the packs alone that others still refer to."""
    first = commit(store, 1, slab("a", 1))
    second = commit(store, 2, slab("a", 1), parent=first.name)
    store.sweep([second.name])
    again = commit(store, 1, slab("a", 2))
    assert again.packs.keys().isdisjoint(second.packs)
    store.verify(second)


# --- damage


def test_a_flipped_bit_is_noticed(store: Store) -> None:
    """One wrong bit in the manifest is noticed on reading, one in a pack on verifying."""
    written = commit(store, 1, slab("a", 1, 200))
    path = store.manifest_path(written.name)
    right = path.read_bytes()
    assert store.read(written.name) == written
    for place in range(0, len(right), 7):
        path.write_bytes(right[:place] + bytes([right[place] ^ 1]) + right[place + 1 :])
        os.utime(path, ns=(place, place))
        with pytest.raises(DamagedCheckpoint):
            store.read(written.name)
    path.write_bytes(right)
    assert store.read(written.name) == written
    pack = store.pack_path(*written.packs)
    right = pack.read_bytes()
    for place in range(0, len(right), 7):
        pack.write_bytes(right[:place] + bytes([right[place] ^ 1]) + right[place + 1 :])
        with pytest.raises(DamagedCheckpoint):
            store.verify(written)


def test_a_missing_or_cut_pack_is_named(store: Store) -> None:
    """Packs that are gone or have not their size are told without reading the others."""
    written = commit(store, 1, *(slab(f"a{n}", n, 9_000) for n in range(3)))
    packs = list(written.packs)
    store.pack_path(packs[0]).unlink()
    os.truncate(store.pack_path(packs[2]), 100)
    assert store.missing(written) == [packs[0], packs[2]]


def test_a_checkpoint_that_is_not_here_is_damage(store: Store) -> None:
    """Reading an unknown name raises what a fallback to an older checkpoint catches."""
    with pytest.raises(DamagedCheckpoint, match="not there"):
        store.read("0000000001-zzzzzz")


def test_a_tensor_that_is_not_what_the_manifest_means_is_damage(store: Store) -> None:
    """A manifest whose tensors disagree with the pack, or that has fewer than asked for, gives none of them."""
    written = commit(store, 1, slab("a", 1))
    other = replace(written, tensors=(replace(written.tensors[0], shape=(500, 2)),))
    for lying, index in ((other, 0), (written, 1), (written, -1)):
        with pytest.raises(DamagedCheckpoint):
            store.reader(lying)(index)


def test_verification_tells_how_far_it_is(store: Store) -> None:
    """What is reported as read adds up to the sizes of all packs."""
    written = commit(store, 1, *(slab(f"a{n}", n, 9_000) for n in range(3)))
    seen: list[int] = []
    store.verify(written, seen.append)
    assert sum(seen) == sum(info.size for info in written.packs.values())


def test_set_aside_is_out_of_use_with_its_reason(store: Store) -> None:
    """A checkpoint that was set aside is no longer listed; its manifest and the reason are kept."""
    written = commit(store, 1)
    store.set_aside(written.name, "its pack has 3 bytes instead of 5")
    assert store.names() == []
    assert (store.aside / f"{written.name}.json").read_bytes() == written.to_bytes()
    assert (store.aside / f"{written.name}.reason.txt").read_text() == "its pack has 3 bytes instead of 5\n"
    with pytest.raises(DamagedCheckpoint):
        store.read(written.name)


def test_what_is_not_here_can_be_set_aside(store: Store) -> None:
    """The reason is noted also for a checkpoint that exists only elsewhere."""
    store.set_aside("0000000001-zzzzzz", "upload incomplete")
    assert (store.aside / "0000000001-zzzzzz.reason.txt").exists()


# --- disk full, and state that cannot be


@pytest.mark.parametrize("last", ["pack", "manifest"])
def test_a_checkpoint_that_does_not_fit_leaves_nothing(store: Store, last: str) -> None:
    """Whether a later pack or the manifest is what does not fit, all that was written before it goes, too."""
    first = commit(store, 1)
    before = files(store)
    sizes = [8_000, 8_001, 40_000] if last == "pack" else [8_000, 8_001]
    state = {} if last == "pack" else {"long": "x" * 40_000}
    with largest_file(20_000), pytest.raises(StoreError, match="Free space"):
        commit(store, 2, *(slab(str(size), size % 200, size) for size in sizes), state=state)
    assert files(store) == before
    assert store.names() == [first.name]
    store.verify(first)
    commit(store, 2)


@pytest.mark.root
def test_a_full_disk_costs_only_the_new_checkpoint(tmp_path: Path) -> None:
    """On a disk that is really full a commit is a StoreError; what was there is whole, and later ones fit again."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=True)
    store = Store(tmp_path / "run", session=SESSION, pack_bytes=100_000)
    try:
        parent, step = None, 0
        with pytest.raises(StoreError, match="Free space"):
            for step in range(100):
                parent = commit(store, step, slab("a", step, 90_000), slab("b", step + 100, 30_000)).name
        assert step > 3
        names = store.names()
        assert (names[-1], len(names)) == (parent, step)
        for name in names:
            store.verify(store.read(name))
        assert files(store) == {f"{name}.json" for name in names} | {p for n in names for p in store.read(n).packs}
        store.sweep(names[-2:])
        commit(store, step, slab("a", step, 90_000))
    finally:
        store.close()
        subprocess.run(["umount", tmp_path], check=True)


def test_state_that_cannot_be_read_again_leaves_nothing(store: Store) -> None:
    """A state that is not JSON is refused, and the packs written for it go."""
    with pytest.raises(EncodingError):
        commit(store, 1, state={"a": float("nan")})
    assert files(store) == set()
