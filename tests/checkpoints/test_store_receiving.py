"""Checkpoints that come from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoints.drafts import SESSION, commit, files, largest_file, sealed, sent, slab

from colab_resume.checkpoints.store import Store
from colab_resume.errors import DamagedCheckpoint, StoreError


def test_a_checkpoint_can_be_taken_in(store: Store, tmp_path: Path) -> None:
    """Packs received and a manifest adopted are a checkpoint like any other, and can be a parent."""
    written, data, packs = sent(tmp_path)
    for name, content in packs.items():
        with store.receive(name) as (sink, offset):
            assert offset == 0
            sink.write(content)
    store.verify(written)
    assert store.adopt(data, written.name) == written
    assert store.read(written.name) == written
    child = commit(store, 6, slab("a", 1), parent=written.name)
    assert child.tensors == written.tensors


def receive_and_fail(store: Store, name: str, content: bytes, *, start: int, stop: int) -> None:
    """A download that gets on from `start` to `stop`, and then loses its connection."""
    with store.receive(name) as (sink, offset):
        assert offset == start
        sink.write(content[start:stop])
        raise ConnectionError


def test_an_interrupted_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """What came before a connection or a process ended is kept, and the rest is added to it."""
    written, _, packs = sent(tmp_path)
    [(name, content)] = packs.items()
    root = tmp_path / "run"
    for start, stop in ((0, 100), (100, 300), (300, 300)):
        store = Store(root, session=SESSION)
        with pytest.raises(ConnectionError):
            receive_and_fail(store, name, content, start=start, stop=stop)
        assert store.missing(written) == [name]
        store.close()
    store = Store(root, session=SESSION)
    with store.receive(name) as (sink, offset):
        assert offset == 300
        sink.write(content[offset:])
    store.verify(written)
    assert files(store) == {name}
    store.close()


def test_a_damaged_download_can_be_repeated(store: Store, tmp_path: Path) -> None:
    """Receiving a pack again starts at the beginning and replaces what was there."""
    written, _, packs = sent(tmp_path)
    [(name, content)] = packs.items()
    for piece in (b"\xff" * len(content), content):
        with store.receive(name) as (sink, offset):
            assert offset == 0
            sink.write(piece)
    store.verify(written)


def test_a_full_disk_is_not_taken_for_a_bad_connection(store: Store, tmp_path: Path) -> None:
    """Whoever writes into the sink gets StoreError from it, which no retry of a remote catches."""
    [(name, _)] = sent(tmp_path)[2].items()
    with largest_file(50_000), store.receive(name) as (sink, _), pytest.raises(StoreError, match="Free space"):
        sink.write(bytes(100_000))


def test_a_manifest_without_its_packs_is_not_adopted(store: Store, tmp_path: Path) -> None:
    """A manifest is taken in only when all it refers to is here, and only if it is sound and has the right name."""
    written, data, packs = sent(tmp_path)
    with pytest.raises(DamagedCheckpoint, match="not here"):
        store.adopt(data, written.name)
    for name, content in packs.items():
        with store.receive(name) as (sink, _):
            sink.write(content)
    for wrong, name in ((data, "0000000006-oooooo"), (data[:-1], written.name), (sealed({}), written.name)):
        with pytest.raises(DamagedCheckpoint):
            store.adopt(wrong, name)
    assert store.names() == []
