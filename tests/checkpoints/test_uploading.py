"""A pack as the source of an upload: whoever reads it gets the pack or DamagedCheckpoint, and nothing is read twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoints.drafts import slab
from reads import Reads

from colab_resume.checkpoints.pack import PackInfo, write_pack
from colab_resume.checkpoints.uploading import PackSource
from colab_resume.errors import DamagedCheckpoint
from colab_resume.remotes.folder import FolderRemote


@pytest.fixture
def pack(tmp_path: Path) -> tuple[Path, PackInfo]:
    """A pack on the disk, and what it must be."""
    path = tmp_path / "pack"
    return path, write_pack(path, [slab("a", 1, 5000), slab("b", 2, 8000, "F32")])


def flip(path: Path, place: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_it_gives_the_bytes_of_the_pack(pack: tuple[Path, PackInfo]) -> None:
    """All of them, or those from an offset on, as often as they are asked for."""
    path, info = pack
    data, source = path.read_bytes(), PackSource(*pack)
    assert source.size == len(data) == info.size
    for offset in (0, 0, 100, 0, 9000, len(data)):
        with source.open(offset) as stream:
            assert stream.read() == data[offset:]
        source.prove()


@pytest.mark.parametrize("place", [0, 20, 300, 6000, -1])
def test_a_rotten_pack_is_never_handed_out_whole(pack: tuple[Path, PackInfo], place: int) -> None:
    """At the latest the read that would give the last byte says DamagedCheckpoint, so that nobody commits it."""
    path, info = pack
    flip(path, place)
    source, given = PackSource(*pack), 0
    with source.open() as stream, pytest.raises(DamagedCheckpoint):
        while piece := stream.read(1000):
            given += len(piece)
    assert given < info.size


def test_a_rotten_pack_does_not_appear_on_a_remote(pack: tuple[Path, PackInfo], tmp_path: Path) -> None:
    """The upload fails as a whole, before it has a name."""
    flip(pack[0], 6000)
    remote = FolderRemote(tmp_path / "drive")
    with pytest.raises(DamagedCheckpoint):
        remote.put("packs/a", PackSource(*pack))
    assert remote.list("packs") == []


def test_what_is_sent_again_is_proved_again(pack: tuple[Path, PackInfo]) -> None:
    """A pack that goes bad between two tries is noticed by the second one, wherever that begins."""
    path, _ = pack
    for offset in (0, 4000):
        source = PackSource(*pack)
        with source.open() as stream:
            stream.read()
        flip(path, 6000)
        with pytest.raises(DamagedCheckpoint), source.open(offset) as stream:
            stream.read()
        flip(path, 6000)


def test_pieces_of_one_upload_are_proved_once(pack: tuple[Path, PackInfo]) -> None:
    """A remote that opens the source anew for each piece has no byte read twice."""
    data, source, reads = pack[0].read_bytes(), PackSource(*pack), Reads()
    found = b""
    for offset in range(0, len(data), 1000):
        with source.open(offset) as stream:
            found += stream.read(1000)
    source.prove()
    assert reads.bytes < 1.1 * len(data)
    assert found == data


def test_a_pack_that_nobody_has_read_can_be_proved(pack: tuple[Path, PackInfo]) -> None:
    """A remote that knows the content already may skip it; then it is read to be proved."""
    PackSource(*pack).prove()
    flip(pack[0], -1)
    with pytest.raises(DamagedCheckpoint):
        PackSource(*pack).prove()


@pytest.mark.parametrize("change", [-1, 1])
def test_a_pack_of_another_length_is_damaged(pack: tuple[Path, PackInfo], change: int) -> None:
    """A byte less or a byte more is never sent as if it were the pack."""
    path, info = pack
    data = path.read_bytes()
    path.write_bytes(data[:-1] if change < 0 else data + b"\0")
    with PackSource(path, info).open() as stream, pytest.raises(DamagedCheckpoint):
        while stream.read(1000):
            pass


def test_it_tells_how_far_it_was_read(pack: tuple[Path, PackInfo]) -> None:
    """All in all, each byte counts once, however often some had to be read again."""
    told: list[int] = []
    source = PackSource(*pack, told.append)
    with source.open() as stream:
        while stream.read(1000):
            pass
    assert sum(told) == source.size
    with source.open(1000) as stream:
        assert sum(told) == 1000
        while stream.read(1000):
            pass
    assert sum(told) == source.size
