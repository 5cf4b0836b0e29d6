"""Bytes past the page cache: the same bytes as the usual way, whatever the memory, the disk and the file were like."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.checkpoints.direct import write_views

BLOCK = 4096
LARGEST = 9 << 20
MEMORY = mmap.mmap(-1, LARGEST)
MEMORY[:] = random.Random(7).randbytes(LARGEST)


@pytest.fixture(params=["taken", "taken if even", "refused at open", "refused at the write"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """File systems that take O_DIRECT, the strict kind and the other, and the two kinds that do not."""
    if request.param == "refused at open":
        monkeypatch.setattr(fcntl, "fcntl", refusing_the_flag(fcntl.fcntl))
    elif request.param == "taken if even":
        monkeypatch.setattr(os, "pwrite", refusing_odd_writes(os.pwrite))
    elif request.param == "refused at the write":
        monkeypatch.setattr(os, "pwrite", refusing_the_write(os.pwrite))
    return str(request.param)


def refusing_the_flag(real: Callable[..., int]) -> Callable[..., int]:
    def one(handle: int, command: int, value: int = 0) -> int:
        if command == fcntl.F_SETFL and value & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(handle, command, value)

    return one


def refusing_odd_writes(real: Callable[..., int]) -> Callable[..., int]:
    def one(handle: int, piece: memoryview, offset: int) -> int:
        address = ctypes.addressof(ctypes.c_char.from_buffer(piece))
        if is_direct(handle) and (address | piece.nbytes | offset) % BLOCK:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(handle, piece, offset)

    return one


def refusing_the_write(real: Callable[..., int]) -> Callable[..., int]:
    def one(handle: int, piece: memoryview, offset: int) -> int:
        if is_direct(handle):
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(handle, piece, offset)

    return one


def is_direct(handle: int) -> bool:
    return bool(fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_DIRECT)


def write(path: Path, views: Sequence[memoryview | bytes]) -> bytes:
    """What the file holds after these views were written to it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        write_views(handle, [memoryview(view) for view in views])
        os.fsync(handle)
    finally:
        os.close(handle)
    return path.read_bytes()


def part(begin: int, size: int) -> memoryview:
    """Memory at a known distance from the beginning of a page."""
    return memoryview(MEMORY)[begin : begin + size]


def parts() -> st.SearchStrategy[list[memoryview | bytes]]:
    """Lists of views: of any alignment, next to each other or not, of memory that may be written to or not."""
    edges = st.sampled_from([0, 1, 64, BLOCK - 1, BLOCK, BLOCK + 64, 256 * BLOCK, 257 * BLOCK + 1])
    one = st.tuples(edges, edges, st.booleans())
    return st.lists(one, max_size=4).map(lambda shapes: list(laid_out(shapes)))


def laid_out(shapes: list[tuple[int, int, bool]]) -> Iterator[memoryview | bytes]:
    at = 0
    for gap, size, fixed in shapes:
        at += gap
        view = part(at, size)
        yield bytes(view) if fixed else view
        at += size


@given(views=parts(), before=st.sampled_from([0, 1, 5 * BLOCK, 300 * BLOCK + 7]))
def test_the_file_is_what_was_given_wherever_it_lay(
    tmp_path_factory: pytest.TempPathFactory, views: list[memoryview | bytes], before: int
) -> None:
    """Whatever the views' alignment, and whatever the file held before, its content is the views, and nothing else."""
    path = tmp_path_factory.getbasetemp() / "file"
    path.write_bytes(b"\xff" * before)
    assert write(path, views) == b"".join(views)


@pytest.mark.parametrize("begin", [0, 64, BLOCK])
def test_large_views_arrive_on_every_file_system(tmp_path: Path, way: str, begin: int) -> None:
    """Megabytes in several pieces arrive whole, with O_DIRECT, and where it is refused early or late."""
    views: list[memoryview | bytes] = [bytes(range(256)) * 16, part(begin, 8 << 20), part(8 << 20, 70_001), b"end"]
    assert write(tmp_path / "file", views) == b"".join(views)


@pytest.mark.parametrize("most", [1, 100, BLOCK, 3 * BLOCK + 5, 1 << 20])
def test_a_write_that_ends_early_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, most: int
) -> None:
    """The system may take fewer bytes than it was given; the rest follows."""
    real, turns = os.pwrite, iter(range(40))
    monkeypatch.setattr(
        os, "pwrite", lambda handle, piece, at: real(handle, piece if next(turns, None) is None else piece[:most], at)
    )
    views: list[memoryview | bytes] = [b"head", part(64, 1_500_000), part(BLOCK, 2_000_000)]
    assert write(tmp_path / "file", views) == b"".join(views)


def test_a_write_that_gets_nowhere_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes nothing and says nothing is an error, not a loop without end."""
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    with pytest.raises(OSError, match="nothing was written"):
        write(tmp_path / "file", [b"some"])


def pages_in_cache(path: Path) -> int:
    """How many pages of the file the kernel holds in memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    size = path.stat().st_size
    with path.open("r+b") as stream, mmap.mmap(stream.fileno(), size) as mapped:
        states = (ctypes.c_ubyte * -(-size // BLOCK))()
        address = ctypes.c_void_p(ctypes.addressof(start := ctypes.c_char.from_buffer(mapped)))
        assert libc.mincore(address, ctypes.c_size_t(size), states) == 0
        del start
        return sum(state & 1 for state in states)


def write_only(path: Path, views: list[memoryview]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    write_views(handle, views)
    os.fsync(handle)
    os.close(handle)


def test_what_was_written_is_not_left_in_the_page_cache(tmp_path: Path, way: str) -> None:
    """Eight megabytes leave next to nothing behind that would push out what the training reads."""
    path = tmp_path / "file"
    write_only(path, [part(0, 8 << 20), part(0, 100)])
    assert pages_in_cache(path) <= 2


def test_memory_that_fits_the_blocks_is_written_from_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors that lie in memory as they will lie in the file are not copied, but for the ends of odd ones."""
    copied, real = 0, os.pwrite
    base = ctypes.addressof(ctypes.c_char.from_buffer(MEMORY))

    def watching(handle: int, piece: memoryview, offset: int) -> int:
        nonlocal copied
        count = real(handle, piece, offset)
        if not 0 <= ctypes.addressof(ctypes.c_char.from_buffer(piece)) - base < LARGEST:
            copied += count
        return count

    monkeypatch.setattr(os, "pwrite", watching)
    cuts = [0, 1000, 5001, (2 << 20) + 3, (6 << 20) + 77]
    views = [part(begin, end - begin) for begin, end in pairwise(cuts)]
    assert write(tmp_path / "file", [bytes(BLOCK), *views]) == bytes(BLOCK) + bytes(part(0, cuts[-1]))
    assert copied <= 5 * BLOCK


def test_a_view_is_done_with_when_the_next_is_asked_for(tmp_path: Path) -> None:
    """Windows that share one piece of memory can be written: it is filled anew for each."""
    window = mmap.mmap(-1, 3 << 20)

    def windows() -> Iterator[memoryview]:
        for fill, size in ((b"a", 3 << 20), (b"b", 5), (b"c", 3 << 20)):
            window[:size] = fill * size
            yield memoryview(window)[:size]

    handle = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    write_views(handle, windows())
    os.close(handle)
    assert (tmp_path / "file").read_bytes() == b"a" * (3 << 20) + b"bbbbb" + b"c" * (3 << 20)


@pytest.mark.parametrize("begin", [0, 1, 4, BLOCK - 1])
def test_what_lies_askew_is_written_past_the_cache_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: int
) -> None:
    """Memory that does not fit the file's blocks is copied into place: every write is one that O_DIRECT takes."""
    monkeypatch.setattr(os, "pwrite", refusing_odd_writes(os.pwrite))
    handle = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    views = [memoryview(b"head"), part(begin, 5 << 20), memoryview(bytes(part(0, 2_000_000))), part(BLOCK, 3_000_000)]
    write_views(handle, views)
    assert is_direct(handle)
    os.close(handle)
    assert (tmp_path / "file").read_bytes() == b"".join(views)


def test_without_o_direct_dirty_pages_go_out_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual way never lets more than a burst pile up: a file of 70 MB is on the disk by and by."""
    monkeypatch.setattr(fcntl, "fcntl", refusing_the_flag(fcntl.fcntl))
    sizes: list[int] = []
    real = os.fdatasync

    def watching(handle: int) -> None:
        sizes.append(os.fstat(handle).st_size)
        real(handle)

    monkeypatch.setattr(os, "fdatasync", watching)
    write_only(tmp_path / "file", [part(0, 7 << 20)] * 10)
    assert sizes[-1] == 70 << 20
    assert all(after - before <= 36 << 20 for before, after in pairwise([0, *sizes]))
