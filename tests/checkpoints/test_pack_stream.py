"""A pack on its way past: proved in one pass, whatever the pieces are in which it comes."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from checkpoints.drafts import raw, slab
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.checkpoints.header import Spec, content_size
from colab_resume.checkpoints.pack import PackInfo, write_pack
from colab_resume.checkpoints.pack_stream import PIECE, PackStream
from colab_resume.errors import DamagedCheckpoint

SLABS = (slab("a", 1, 700), slab("none", 0, 0), slab("b", 2, 800, "F64"), slab("last", 3, 0))


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, PackInfo]:
    """The bytes of a pack, and what it must be."""
    path = tmp_path_factory.mktemp("stream") / "pack"
    info = write_pack(path, SLABS)
    return path.read_bytes(), info


class Wanted:
    """Memory for the tensors of these keys."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys
        self.memory: dict[str, bytearray] = {}

    def __call__(self, key: str, spec: Spec) -> memoryview | None:
        if key not in self._keys:
            return None
        self.memory[key] = bytearray(content_size(*spec))
        return memoryview(self.memory[key])


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    """The data in pieces that begin at these places."""
    edges = [0, *sorted(place % len(data) for place in places), len(data)]
    return (data[start:stop] for start, stop in pairwise(edges))


@given(places=st.lists(st.integers(0, 10_000)))
def test_the_pieces_may_be_of_any_size(pack: tuple[bytes, PackInfo], places: list[int]) -> None:
    """What is asked for arrives in its place, and all is proved, wherever the bytes were cut."""
    data, info = pack
    wanted = Wanted("b", "last")
    stream = PackStream("pack", info, wanted)
    for piece in cut(data, places):
        stream.feed(piece)
    stream.end()
    assert stream.left == 0
    assert wanted.memory == {"b": bytearray(raw(SLABS[2])), "last": bytearray()}
    assert stream.digests == {one.key: one.digest for one in SLABS}


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), places=st.lists(st.integers(0, 10_000), max_size=3))
def test_a_flipped_bit_is_noticed(pack: tuple[bytes, PackInfo], place: int, bit: int, places: list[int]) -> None:
    """One wrong bit anywhere is DamagedCheckpoint, at the latest when all has come."""
    data, info = bytearray(pack[0]), pack[1]
    data[place % len(data)] ^= 1 << bit
    stream = PackStream("pack", info)
    with pytest.raises(DamagedCheckpoint):
        for piece in cut(bytes(data), places):
            stream.feed(piece)
        stream.end()


@pytest.mark.parametrize("size", [0, 7, 8, 100, -1])
def test_an_end_that_comes_too_soon_is_noticed(pack: tuple[bytes, PackInfo], size: int) -> None:
    """A pack of which something is lacking is named with both sizes."""
    data, info = pack
    stream = PackStream("pack", info)
    stream.feed(data[:size])
    with pytest.raises(DamagedCheckpoint, match=f"has {len(data[:size])} bytes instead of {info.size}"):
        stream.end()


def test_bytes_behind_the_end_are_refused(pack: tuple[bytes, PackInfo]) -> None:
    """A pack that is longer than it must be is not read to its end."""
    data, info = pack
    stream = PackStream("pack", info)
    stream.feed(data)
    with pytest.raises(DamagedCheckpoint, match="more than"):
        stream.feed(b"\0")


def test_a_header_that_lies_is_refused_before_memory_is_asked_for(pack: tuple[bytes, PackInfo]) -> None:
    """No tensor gets memory for more bytes than the pack has, whatever its header says."""
    header = json.dumps({"a": {"dtype": "U8", "shape": [2**50], "data_offsets": [0, 2**50]}}).encode()
    wanted = Wanted("a")
    stream = PackStream("pack", pack[1], wanted)
    with pytest.raises(DamagedCheckpoint, match="header is not sound"):
        stream.feed(struct.pack("<Q", len(header)) + header)
    assert wanted.memory == {}


def test_large_tensors_are_read_straight_into_their_memory(tmp_path: Path) -> None:
    """There is room of one piece after the other, small ones and what nobody wants have none; the pass proves both."""
    given = [slab("large", 1, 2 * PIECE + 5, "U8"), slab("small", 2, 100), slab("other", 3, PIECE)]
    info = write_pack(tmp_path / "pack", given)
    wanted = Wanted("large", "small")
    stream = PackStream("pack", info, wanted)
    sizes = []
    with (tmp_path / "pack").open("rb", buffering=0) as file:
        while stream.left:
            room = stream.room()
            if room is None:
                stream.feed(file.read(64))
            else:
                sizes.append(file.readinto(room))
                stream.took(sizes[-1])
    stream.end()
    assert sum(sizes) > 2 * PIECE - 128 * 1024
    assert max(sizes) <= PIECE
    assert wanted.memory == {one.key: bytearray(raw(one)) for one in given[:2]}
