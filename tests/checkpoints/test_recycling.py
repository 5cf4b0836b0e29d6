"""What a store does with the packs it needs no more, and how little it writes where little changes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from checkpoints.drafts import SESSION, commit, files, raw, slab, tensor

from colab_resume.checkpoints.manifest import Manifest
from colab_resume.checkpoints.pack import Slab
from colab_resume.checkpoints.pack_file import read_pack
from colab_resume.checkpoints.store import Store
from colab_resume.errors import DamagedCheckpoint, StoreError

# A second process that reads a pack as the package does: it has begun when it says so, and goes on when it is told to.
READER = """
import sys
from pathlib import Path
from colab_resume.checkpoints.pack_file import PackFile
with PackFile(Path(sys.argv[1])) as file:
    print("reading", flush=True)
    sys.stdin.readline()
    sys.stdout.buffer.write(file.read())
"""


def inodes(store: Store) -> set[int]:
    return {path.stat().st_ino for path in store.packs.iterdir()}


def spare_bytes(store: Store) -> int:
    return sum(path.stat().st_size for path in store.packs.glob("spare-*"))


def without_bytes(slabs: Sequence[Slab]) -> list[Slab]:
    """The same tensors, as somebody knows them who has not captured them."""
    return [replace(one, data=None) for one in slabs]


def content_of(store: Store, manifest: Manifest) -> list[bytes]:
    """The bytes of all tensors of a checkpoint, read and proved."""
    found: dict[tuple[str, str], bytearray] = {}
    for pack, info in manifest.packs.items():
        memory: dict[str, bytearray] = {}
        read_pack(
            store.pack_path(pack),
            info,
            place=lambda key, spec, memory=memory: memoryview(memory.setdefault(key, bytearray(spec[1][0]))),
        )
        found |= {(pack, key): content for key, content in memory.items()}
    return [bytes(found[ref.pack, ref.key]) for ref in manifest.tensors]


# --- files that are used again


def test_a_steady_training_makes_no_new_files(store: Store) -> None:
    """Once the first packs have retired, every further checkpoint is written into files that are there."""
    for step in range(4):
        commit(store, step, slab("a", step, 7_000), slab("b", step + 100, 9_000))
        store.sweep(store.names()[-2:])
    before = inodes(store)
    for step in range(4, 12):
        store.verify(commit(store, step, slab("a", step, 7_000), slab("b", step + 100, 9_000)))
        store.sweep(store.names()[-2:])
        assert inodes(store) == before
    for name in store.names():
        store.verify(store.read(name))


def test_spares_take_no_more_than_the_newest_checkpoint_wrote(store: Store) -> None:
    """A training that freezes most of its model gives the space of its first, large checkpoints back."""
    for step, size in enumerate([9_000, 9_000, 9_000, 500, 500, 500, 500]):
        written = commit(store, step, slab("a", step, size))
        store.sweep(store.names()[-2:])
        assert spare_bytes(store) <= sum(info.size for info in written.packs.values())


def test_the_next_session_uses_the_spares_of_the_last(tmp_path: Path) -> None:
    """A spare outlives its process, and a sweep before the first commit does not throw it away."""
    for session in ("aaaaaa", "bbbbbb", "cccccc"):
        store = Store(tmp_path / "run", session=session)
        there = {path.stat().st_ino for path in store.packs.glob("spare-*")}
        store.sweep(store.names())
        for step in range(3):
            written = commit(store, step, slab("a", step, 9_000))
            if step == 0 and session != "aaaaaa":
                assert {store.pack_path(pack).stat().st_ino for pack in written.packs} == there
            store.sweep([written.name])
        store.close()


def test_a_pack_that_another_process_reads_is_never_written_over(store: Store) -> None:
    """A command that reads a checkpoint while the training retires it, and goes on, reads what it has begun to read."""
    old = commit(store, 0, slab("a", 0, 9_000))
    path = store.pack_path(*old.packs)
    content = path.read_bytes()
    command = [sys.executable, "-c", READER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        for step in range(1, 5):
            store.verify(commit(store, step, slab("a", step, 9_000)))
            store.sweep(store.names()[-1:])
        assert process.communicate(b"go on\n")[0] == content


def test_a_commit_that_fails_leaves_no_half_written_spare(store: Store) -> None:
    """A pack that could not be written over to its end is gone, not a pack, and not a spare."""
    names = [commit(store, step, slab("a", step, 9_000)).name for step in range(2)]
    store.sweep(names[1:])
    before = files(store)
    with pytest.raises(StoreError):
        commit(store, 2, *without_bytes([slab("b", 7)]), slab("a", 2, 9_000))
    assert files(store) == before
    store.verify(commit(store, 2, slab("a", 2, 9_000)))


# --- what has not changed


def test_what_nobody_captured_is_carried_forward_from_its_old_pack(store: Store) -> None:
    """A tensor that is only known to be unchanged goes from a pack that is let go into a new one, proved."""
    frozen = [slab("frozen", 1, 2_000), slab("also", 2, 1_000), slab("odd", 3, 1, "U8")]
    first = commit(store, 0, slab("weight", 9, 5_000), *frozen)
    second = commit(store, 1, slab("weight", 4, 5_000), *without_bytes(frozen), parent=first.name)
    assert first.packs.keys().isdisjoint(second.packs)
    store.sweep([second.name])
    store.verify(second)
    assert content_of(store, second) == [raw(one) for one in (slab("weight", 4, 5_000), *frozen)]


def test_one_of_two_equal_tensors_need_not_be_captured(store: Store) -> None:
    """The bytes of the other one are its own."""
    whole = slab("a", 1)
    for step, slabs in enumerate(([whole, *without_bytes([slab("b", 1)])], [*without_bytes([slab("b", 1)]), whole])):
        written = commit(store, step, *slabs)
        assert written.tensors[0] == written.tensors[1]
        store.verify(written)


def test_what_is_nowhere_cannot_be_referenced(store: Store) -> None:
    """A tensor that nobody captured, and that no reliable pack has, is refused by name, and nothing is written."""
    first = commit(store, 0, slab("a", 1))
    os.truncate(store.pack_path(*first.packs), 100)
    before = files(store)
    with pytest.raises(StoreError, match="a was not captured"):
        commit(store, 1, *without_bytes([slab("a", 1)]), parent=first.name)
    assert files(store) == before


def test_a_rotten_pack_is_not_carried_forward(store: Store) -> None:
    """A bit that has flipped in the old pack since it was written does not become part of a new checkpoint."""
    frozen = slab("frozen", 1, 2_000)
    first = commit(store, 0, frozen, slab("weight", 9, 5_000))
    path = store.pack_path(*first.packs)
    content = path.read_bytes()
    before = files(store)
    path.write_bytes(content.replace(b"\1" * 2_000, b"\1" * 1_999 + b"\0"))
    with pytest.raises(DamagedCheckpoint, match="'frozen' is not what was written"):
        commit(store, 1, slab("weight", 4, 5_000), *without_bytes([frozen]), parent=first.name)
    assert files(store) == before


def distinct(key: str, step: int, size: int) -> Slab:
    """A tensor that is like no other, nor like itself at another step."""
    return tensor(key, "U8", (size,), sha256(f"{key} {step}".encode()).digest() * (size // 32))


def frozen_and_adapter(step: int) -> tuple[list[Slab], list[Slab]]:
    """A frozen model of 13 MB, and the adapters of its layers with what an optimizer knows of them."""
    base = [distinct(f"base.{layer}", 0, 320_000) for layer in range(40)]
    return base, [distinct(f"{kind}.{layer}", step, 12_800) for kind in ("lora", "m", "v") for layer in range(40)]


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("pack_bytes", [256 << 20, 1_000_000, 400_000])
def test_fifty_checkpoints_of_an_adapter_write_only_the_adapter(
    tmp_path: Path, pack_bytes: int, captured: bool
) -> None:
    """However the frozen model lies in its packs, no later checkpoint writes more than 1.02 times what has changed."""
    store = Store(tmp_path / "run", session=SESSION, pack_bytes=pack_bytes)
    parent = commit(store, 0, *interleaved(*frozen_and_adapter(0)))
    for step in range(1, 51):
        base, adapter = frozen_and_adapter(step)
        slabs = interleaved(base if captured else without_bytes(base), adapter)
        written = commit(store, step, *slabs, parent=parent.name)
        new = sum(written.packs[pack].size for pack in written.packs.keys() - parent.packs.keys())
        assert new <= 1.02 * sum(one.nbytes for one in adapter)
        parent = written
        store.sweep(store.names()[-3:])
    store.verify(parent)
    store.close()


def interleaved(base: list[Slab], adapter: list[Slab]) -> list[Slab]:
    """In the order of a model with adapters between its layers, and then that of its optimizer."""
    return [one for pair in zip(base, adapter, strict=False) for one in pair] + adapter[len(base) :]
