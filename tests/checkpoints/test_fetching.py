"""Packs that come from a remote: proved while they come, and never there unless they are what was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoints.drafts import files, sent

from colab_resume.checkpoints.fetching import fetch_pack
from colab_resume.checkpoints.pack import PackInfo
from colab_resume.checkpoints.store import Store
from colab_resume.errors import DamagedCheckpoint, RemoteUnavailable
from colab_resume.remotes import BytesSource
from colab_resume.testing import FaultyRemote, MemoryRemote


@pytest.fixture
def remote() -> MemoryRemote:
    """A remote in memory."""
    return MemoryRemote()


@pytest.fixture
def pack(remote: MemoryRemote, tmp_path: Path) -> tuple[str, PackInfo, bytes]:
    """A pack on the remote: its name, what it must be, and its bytes."""
    written, _, packs = sent(tmp_path)
    [(name, data)] = packs.items()
    remote.put(f"packs/{name}", BytesSource(data))
    return name, written.packs[name], data


def leave(store: Store, name: str, data: bytes) -> None:
    """What an earlier download got before it broke off."""
    with pytest.raises(ConnectionError), store.receive(name) as (sink, _):
        sink.write(data)
        raise ConnectionError


@pytest.mark.parametrize("begun", [0, 4, 600])
def test_a_pack_is_proved_while_it_comes(
    store: Store, remote: MemoryRemote, pack: tuple[str, PackInfo, bytes], begun: int
) -> None:
    """It is there, each byte was told once, and what had come before was not asked for again."""
    name, info, data = pack
    if begun:
        leave(store, name, data[:begun])
    told: list[int] = []
    assert fetch_pack(remote, store, name, info, progress=told.append).came == len(data) - begun
    assert sum(told) == len(data)
    assert store.pack_path(name).read_bytes() == data
    assert files(store) == {name}


@pytest.mark.parametrize("change", ["flipped", "short", "long", "empty"])
def test_a_damaged_pack_never_gets_its_name(
    store: Store, remote: MemoryRemote, pack: tuple[str, PackInfo, bytes], change: str
) -> None:
    """DamagedCheckpoint, and nothing of it stays."""
    name, info, data = pack
    wrong = {"flipped": data[:-1] + b"\0", "short": data[:-1], "long": data + b"\0", "empty": b""}[change]
    remote.put(f"packs/{name}", BytesSource(wrong))
    with pytest.raises(DamagedCheckpoint):
        fetch_pack(remote, store, name, info, progress=[].append)
    assert files(store) == set()


@pytest.mark.parametrize("left", [b"\xff" * 10, b"\xff" * 5000], ids=["torn", "too long"])
def test_what_a_torn_download_left_is_not_held_against_the_remote(
    store: Store, remote: MemoryRemote, pack: tuple[str, PackInfo, bytes], left: bytes
) -> None:
    """All of it is asked for again."""
    name, info, data = pack
    leave(store, name, left)
    fetch_pack(remote, store, name, info, progress=[].append)
    assert store.pack_path(name).read_bytes() == data


def test_a_lost_connection_costs_nothing_of_what_came(
    store: Store, remote: MemoryRemote, pack: tuple[str, PackInfo, bytes]
) -> None:
    """The next try goes on where this one stopped."""
    name, info, data = pack
    lost = RemoteUnavailable("the connection is lost", hint="try again")
    with pytest.raises(RemoteUnavailable):
        fetch_pack(FaultyRemote(remote, {1: lost}), store, name, info, progress=[].append)
    assert fetch_pack(remote, store, name, info, progress=[].append).came == len(data) - len(data) // 2


def test_a_pack_that_is_not_there_is_damage_and_costs_nothing_of_what_came(
    store: Store, remote: MemoryRemote, pack: tuple[str, PackInfo, bytes]
) -> None:
    """The checkpoint cannot be used from there; what had come before stays."""
    name, info, data = pack
    leave(store, name, data[:100])
    remote.delete(f"packs/{name}")
    with pytest.raises(DamagedCheckpoint, match="not there"):
        fetch_pack(remote, store, name, info, progress=[].append)
    assert store.unfinished_path(name).read_bytes() == data[:100]
