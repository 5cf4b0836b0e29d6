"""Packs: readable by the safetensors library, written as a stream, and never believed without a check."""

from __future__ import annotations

import json
import resource
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.drafts import raw, slab, tensor
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from colab_resume.checkpoints.digest import digest_of
from colab_resume.checkpoints.header import ITEM_SIZES, content_size, read_header
from colab_resume.checkpoints.pack import PackInfo, Slab, write_pack
from colab_resume.checkpoints.pack_file import payload_size, verify_pack
from colab_resume.errors import DamagedCheckpoint, StoreError, UsageError

TORCH_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}


@st.composite
def tensors(draw: st.DrawFn) -> list[Slab]:
    """Tensors of every dtype and of odd, empty and zero-dimensional shapes, under any names."""
    texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda key: key != "__metadata__")
    keys = draw(st.lists(texts, unique=True, max_size=6))
    made = []
    for key in keys:
        dtype = draw(st.sampled_from(sorted(ITEM_SIZES)))
        shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
        size = content_size(dtype, shape)
        item = st.integers(0, 1 if dtype == "BOOL" else 255)
        data = draw(st.lists(item, min_size=size, max_size=size))
        made.append(tensor(key, dtype, shape, bytes(data)))
    return made


def content(found: torch.Tensor) -> bytes:
    """The bytes of a tensor."""
    return bytes(found.reshape(-1).view(torch.uint8).tolist())


@given(tensors())
@settings(max_examples=50)
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, slabs: list[Slab]) -> None:
    """Tensors of every dtype and shape come back through the safetensors library with the same bytes."""
    path = tmp_path_factory.mktemp("pack") / "pack"
    verify_pack(path, write_pack(path, slabs))
    found = load_file(path)
    assert found.keys() == {one.key for one in slabs}
    for one in slabs:
        assert (found[one.key].dtype, tuple(found[one.key].shape)) == (TORCH_DTYPES[one.dtype], one.shape)
        assert content(found[one.key]) == raw(one)
    assert payload_size(path) == sum(one.nbytes for one in slabs)


@given(tensors())
@settings(max_examples=50)
def test_every_tensor_lies_aligned(tmp_path_factory: pytest.TempPathFactory, slabs: list[Slab]) -> None:
    """Each tensor begins at a multiple of its item size, and the data at a multiple of 64."""
    path = tmp_path_factory.mktemp("pack") / "pack"
    write_pack(path, slabs)
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert (8 + length) % 64 == 0
    for entry in json.loads(data[8 : 8 + length]).values():
        assert entry["data_offsets"][0] % ITEM_SIZES[entry["dtype"]] == 0


@pytest.mark.parametrize(
    ("size", "start"), [(4_194_304, 4096), (4_194_303, 192), (0, 64)], ids=["large", "small", "empty"]
)
def test_the_data_of_a_large_pack_begins_at_a_page(tmp_path: Path, size: int, start: int) -> None:
    """From 4 MiB on the header is filled up to a multiple of 4096 bytes, else to one of 64."""
    info = write_pack(tmp_path / "pack", [slab("a", 1, 1000), slab("b", 2, size - 1000)] if size else [slab("a", 1, 0)])
    assert info.size - size == start


def test_the_info_is_that_of_the_file(tmp_path: Path) -> None:
    """The digest covers the file up to the data, and then the digests of the tensors as they lie."""
    info = write_pack(tmp_path / "pack", [slab("a", 1, 9_000_000), slab("b", 2, 800, "F64")])
    data = (tmp_path / "pack").read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = [data[start : start + 800], data[start + 800 :]]
    expected = data[:start] + b"".join(bytes.fromhex(digest_of(one)) for one in tensors)
    assert info == PackInfo(len(data), digest_of(expected))


def test_the_same_tensors_make_the_same_file(tmp_path: Path) -> None:
    """A pack depends on nothing but its tensors."""
    given = [slab("a", 1), slab("b", 2, 800, "F64")]
    assert write_pack(tmp_path / "one", given) == write_pack(tmp_path / "two", given)


def test_views_of_any_format_are_written_flat(tmp_path: Path) -> None:
    """A memoryview of several dimensions and of larger items is taken as its bytes."""
    view = memoryview(bytes(range(48))).cast("q", (2, 3))
    write_pack(tmp_path / "pack", [Slab("a", "I64", (2, 3), view, digest_of(view))])
    assert content(load_file(tmp_path / "pack")["a"]) == bytes(range(48))


def test_writing_holds_no_second_copy(tmp_path: Path) -> None:
    """A pack of 64 MB is written and verified with a small fraction of that in memory."""
    given = [slab("a", 1, 64_000_000)]
    tracemalloc.start()
    try:
        verify_pack(tmp_path / "pack", write_pack(tmp_path / "pack", given))
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


def test_a_full_disk_is_a_store_error_and_leaves_no_file(tmp_path: Path) -> None:
    """A pack that does not fit is a StoreError that says to free space, and nothing of it stays."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StoreError, match="Free space"):
            write_pack(tmp_path / "pack", [slab("a", 1, 200_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """One wrong bit anywhere in a pack - length, header, padding, data - fails verification."""
    path = tmp_path / "pack"
    info = write_pack(path, [slab("a", 1, 100), slab("b", 2, 64, "F64")])
    right = path.read_bytes()
    for place in range(len(right)):
        path.write_bytes(right[:place] + bytes([right[place] ^ 1 << place % 8]) + right[place + 1 :])
        with pytest.raises(DamagedCheckpoint):
            verify_pack(path, info)


@pytest.mark.parametrize("size", [0, 3, 8, 500, 1100, -1, 1200])
def test_a_wrong_size_is_noticed_and_named(tmp_path: Path, size: int) -> None:
    """A pack that is too short, by much or by a byte, or too long, is refused with both sizes."""
    path = tmp_path / "pack"
    info = write_pack(path, [slab("a", 1)])
    data = path.read_bytes()
    path.write_bytes(data[:size] if size < 1200 else data + b"0")
    with pytest.raises(DamagedCheckpoint, match=f"{path.stat().st_size} bytes instead of {info.size}"):
        verify_pack(path, info)


def test_a_missing_pack_is_damage(tmp_path: Path) -> None:
    """A pack that is not there is DamagedCheckpoint."""
    with pytest.raises(DamagedCheckpoint, match="not there"):
        verify_pack(tmp_path / "pack", PackInfo(8, "0" * 32))


def test_what_the_disk_refuses_to_open_is_not_called_damaged(tmp_path: Path) -> None:
    """A failure that says nothing about the bytes is a StoreError, so that a good checkpoint is not set aside."""
    with pytest.raises(StoreError):
        verify_pack(tmp_path, PackInfo(tmp_path.stat().st_size, "0" * 32))


def test_progress_adds_up_to_the_size(tmp_path: Path) -> None:
    """What verification reports as read is, in the end, the whole file."""
    info = write_pack(tmp_path / "pack", [slab("a", 1, 9_000_000)])
    seen: list[int] = []
    verify_pack(tmp_path / "pack", info, seen.append)
    assert sum(seen) == info.size
    assert len(seen) > 1


def entry(start: int, stop: int, **changed: Any) -> dict[str, Any]:
    """A header's entry for bytes from `start` to `stop`."""
    return {"dtype": "U8", "shape": [stop - start], "data_offsets": [start, stop], **changed}


HOSTILE_HEADERS: dict[str, str | dict[str, Any] | list[int]] = {
    "hole": {"a": entry(0, 4), "b": entry(6, 10)},
    "overlap": {"a": entry(0, 6), "b": entry(4, 10)},
    "not from the start": {"a": entry(2, 10)},
    "not to the end": {"a": entry(0, 8)},
    "beyond the end": {"a": entry(0, 12)},
    "backwards": {"a": entry(0, 10), "b": entry(10, 8, shape=[0])},
    "same key twice": f'{{"a": {json.dumps(entry(0, 5))}, "a": {json.dumps(entry(5, 10))}}}',
    "unknown dtype": {"a": entry(0, 10, dtype="OBJECT")},
    "dtype is a list": {"a": entry(0, 10, dtype=["U8"])},
    "shape too large": {"a": entry(0, 10, shape=[11])},
    "negative shape": {"a": entry(0, 10, shape=[-2, -5])},
    "float shape": {"a": entry(0, 10, shape=[10.0])},
    "bool shape": {"a": entry(0, 10, shape=[10, True])},
    "huge shape": {"a": entry(0, 10), "b": entry(10, 10, shape=[2**62, 2**62, 0, 2**70])},
    "many dimensions": {"a": entry(0, 10, shape=[10] + [1] * 100)},
    "bool offsets": {"a": entry(0, 1, data_offsets=[False, True]), "b": entry(1, 10)},
    "three offsets": {"a": entry(0, 10, data_offsets=[0, 10, 10])},
    "further member": {"a": entry(0, 10, strides=[1])},
    "no shape": {"a": {"dtype": "U8", "data_offsets": [0, 10]}},
    "list": [1, 2],
    "entry is a number": {"a": 1},
    "not JSON": "{",
    "NaN": f'{{"a": {json.dumps(entry(0, 10, shape=[float("nan")]))}}}',
    "deep": "[" * 100_000,
    "endless integer": '{"a": ' + "9" * 5000 + "}",
}


def hostile(path: Path, header: bytes, length: int | None = None) -> None:
    """A file with this header and ten bytes of data."""
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + bytes(10))


@pytest.mark.parametrize("use", [read_header, payload_size])
@pytest.mark.parametrize("header", HOSTILE_HEADERS.values(), ids=HOSTILE_HEADERS.keys())
def test_a_hostile_header_is_refused(tmp_path: Path, header: Any, use: Callable[[Path], object]) -> None:
    """A header that lies about its file is DamagedCheckpoint before any tensor is made."""
    hostile(tmp_path / "pack", (header if isinstance(header, str) else json.dumps(header)).encode())
    with pytest.raises(DamagedCheckpoint, match="header is not sound"):
        use(tmp_path / "pack")


def test_a_sound_header_is_accepted(tmp_path: Path) -> None:
    """The file that the hostile ones are made from is fine, also with metadata of another writer."""
    header = {"__metadata__": {"format": "pt"}, "b": entry(4, 10), "a": entry(0, 4), "e": entry(4, 4)}
    hostile(tmp_path / "pack", json.dumps(header).encode())
    read_header(tmp_path / "pack")


@pytest.mark.parametrize("length", [11, 100_000_001, 2**63, 2**64 - 1])
def test_the_length_of_the_header_is_bounded_before_it_is_read(tmp_path: Path, length: int) -> None:
    """A header longer than the file or than 100 MB is refused without reading it."""
    hostile(tmp_path / "pack", b"", length)
    with (tmp_path / "pack").open("r+b") as stream:
        stream.truncate(18 if length == 11 else 200_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(DamagedCheckpoint, match=f"cannot be {length} bytes long"):
            read_header(tmp_path / "pack")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("key", "dtype", "shape", "data"),
    [
        ("", "U8", (1,), b"0"),
        ("__metadata__", "U8", (1,), b"0"),
        ("half a pair \ud800", "U8", (1,), b"0"),
        ("a", "C64", (1,), b"00000000"),
        ("a", "F32", (1,), b"000"),
        ("a", "U8", (-1, -1), b"0"),
        ("a", "U8", (2**62, 4), b"0"),
        ("a", "U8", (2,), memoryview(b"0123")[::2]),
    ],
)
def test_a_slab_that_cannot_be_is_refused(key: str, dtype: str, shape: tuple[int, ...], data: bytes) -> None:
    """A slab whose name, dtype, shape and bytes do not fit together cannot be made."""
    with pytest.raises(UsageError):
        Slab(key, dtype, shape, data, "0" * 32)


@pytest.mark.parametrize("digest", ["", "0" * 31, "G" * 32, "0" * 64])
def test_what_is_no_digest_is_refused(digest: str) -> None:
    """Neither a tensor nor a pack can be made with one."""
    with pytest.raises(UsageError, match="not a digest"):
        Slab("a", "U8", (1,), b"0", digest)
    with pytest.raises(UsageError, match="not a digest"):
        PackInfo(8, digest)


def test_a_key_names_one_tensor(tmp_path: Path) -> None:
    """Two tensors with the same key cannot lie in one pack."""
    with pytest.raises(UsageError, match="same key"):
        write_pack(tmp_path / "pack", [slab("a", 1), slab("a", 2)])
