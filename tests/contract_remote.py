"""What every remote promises, as tests: a back end passes them all or is none.

class TestMyRemote(RemoteContract):
    @pytest.fixture
    def remote(self) -> Remote: ...       # empty
    @pytest.fixture
    def other(self) -> Remote: ...        # a second client of the same storage, where there can be one
"""

from __future__ import annotations

import hashlib
import random
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
import pytest
import torch

from colab_resume.errors import DamagedCheckpoint, RemoteRefused, RemoteUnavailable
from colab_resume.remotes import BytesSource, Entry, FileSource, Remote, Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["BAD_NAMES", "RemoteContract", "read", "sizes"]

MIB = 1 << 20
BIG = random.Random(20261120).randbytes(3 * MIB)

CONTENTS = {
    "empty": b"",
    "one byte": b"\0",
    "one block": BIG[:MIB],
    "one block and a byte": BIG[: MIB + 1],
    "three blocks": BIG,
}
ODD_NAMES = [
    "with space.json",
    "Prüfung/日本語 🐑.bin",
    "a/b/c/d/deep",
    "..hidden",
    "a..b",
    "~",
    "-x",
    "%41&?*#'\"",
    ".part",
]
BAD_NAMES = {
    "empty": "",
    "absolute": "/abs",
    "top": "/",
    "dot": "./a",
    "parent": "../outside",
    "parent in the middle": "a/../../outside",
    "double slash": "a//b",
    "trailing slash": "a/",
    "backslash": "a\\b",
    "NUL": "a\0b",
    "newline": "a\nb",
    "C1 control": "a\x85b",
    "lone surrogate": "a\udcffb",
    "part": ".part-1",
    "part folder": "a/.part-1/b",
}


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def read(remote: Remote, name: str, offset: int = 0) -> bytes:
    sink = BytesIO()
    remote.get(name, sink, offset)
    return sink.getvalue()


def sizes(remote: Remote, folder: str) -> dict[str, int]:
    return {entry.name: entry.size for entry in remote.list(folder)}


class OnlyWrites:
    """A sink without seek, tell, read or close."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


@dataclass(frozen=True)
class Misjudged:
    """A source that claims another size than it has."""

    data: bytes
    size: int

    def open(self, offset: int = 0) -> BinaryIO:
        return BytesIO(self.data[offset:])


@dataclass(frozen=True)
class Rotten:
    """A source that finds out at its last byte that it is not what it should be."""

    size: int

    def open(self, offset: int = 0) -> BinaryIO:
        return cast("BinaryIO", _RotsAtItsEnd(b"r" * (self.size - offset)))


class _RotsAtItsEnd(BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        if self.tell() == len(self.getbuffer()):
            raise DamagedCheckpoint("not the bytes that were written", hint="none")
        return found

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        found = self.read(view.nbytes)
        view[: len(found)] = found
        return len(found)


class RemoteContract:
    """Subclasses supply `remote`, empty, and `other` where two clients can be told apart."""

    @pytest.fixture
    def remote(self) -> Remote:
        raise NotImplementedError

    @pytest.fixture
    def other(self, remote: Remote) -> Remote:
        return remote

    def test_it_says_whether_put_means_stored(self, remote: Remote) -> None:
        """`confirms` is a plain answer, known before the first operation."""
        assert isinstance(remote.confirms, bool)

    @pytest.mark.parametrize("data", CONTENTS.values(), ids=CONTENTS)
    def test_what_was_put_comes_back(self, remote: Remote, data: bytes) -> None:
        """The bytes come back as they were, whatever their number."""
        remote.put("packs/a", BytesSource(data))
        assert read(remote, "packs/a") == data

    @pytest.mark.parametrize("data", CONTENTS.values(), ids=CONTENTS)
    def test_receipt_and_listing_tell_the_truth(self, remote: Remote, data: bytes) -> None:
        """Both carry the whole name and the true size; an md5, where there is one, is the right one."""
        receipt = remote.put("packs/a", BytesSource(data))
        (entry,) = remote.list("packs")
        for told in (receipt, entry):
            assert (told.name, told.size) == ("packs/a", len(data))
            assert told.md5 in (None, md5(data))

    @pytest.mark.parametrize(
        "offset", [0, 1, MIB - 1, MIB, 3 * MIB // 2, 3 * MIB - 1, 3 * MIB], ids=lambda offset: f"from_{offset}"
    )
    def test_get_writes_the_bytes_from_the_offset_on(self, remote: Remote, offset: int) -> None:
        """A get from the start, the middle, the end gives exactly the rest."""
        remote.put("big", BytesSource(BIG))
        assert read(remote, "big", offset) == BIG[offset:]

    def test_an_offset_behind_the_end_writes_nothing(self, remote: Remote) -> None:
        """There is nothing behind the end, and that is no error."""
        remote.put("a", BytesSource(b"abc"))
        assert read(remote, "a", 10) == b""

    def test_get_appends_to_what_the_sink_holds(self, remote: Remote) -> None:
        """A broken download is completed in the same sink."""
        remote.put("a", BytesSource(b"abcdef"))
        sink = BytesIO()
        sink.write(b"abc")
        remote.get("a", sink, 3)
        assert sink.getvalue() == b"abcdef"

    def test_get_needs_nothing_of_a_sink_but_write(self, remote: Remote) -> None:
        """A sink may be a socket, a hash, a counter: it need not seek, tell or close."""
        remote.put("big", BytesSource(BIG))
        sink = OnlyWrites()
        remote.get("big", cast(BinaryIO, sink), MIB)
        assert sink.data == BIG[MIB:]

    @pytest.mark.parametrize("name", ["nothing", "folder/nothing", "folder", "folder/there/below"])
    def test_get_of_what_is_not_there_is_refused(self, remote: Remote, name: str) -> None:
        """An absent name, a folder, a name below an object: refused, and the sink stays empty."""
        remote.put("folder/there", BytesSource(b"x"))
        sink = BytesIO()
        with pytest.raises(RemoteRefused, match=re.escape(name)):
            remote.get(name, sink)
        assert sink.getvalue() == b""

    def test_an_empty_remote_lists_nothing(self, remote: Remote) -> None:
        """Neither the top nor any folder of an unused remote is an error."""
        assert list(remote.list("")) == []
        assert list(remote.list("packs")) == []
        assert list(remote.list("packs/deeper")) == []

    def test_list_shows_one_folder_only(self, remote: Remote) -> None:
        """What lies in subfolders, beside it, or above it is not listed, nor are folders."""
        for name in ("top", "packs/a", "packs/b", "packs/deeper/c", "packs2/d", "other/packs/e"):
            remote.put(name, BytesSource(name.encode()))
        assert sizes(remote, "") == {"top": 3}
        assert sizes(remote, "packs") == {"packs/a": 7, "packs/b": 7}
        assert sizes(remote, "packs/deeper") == {"packs/deeper/c": 14}

    def test_an_object_is_not_a_folder(self, remote: Remote) -> None:
        """Listing below an object finds nothing."""
        remote.put("packs/a", BytesSource(b"x"))
        assert list(remote.list("packs/a")) == []

    def test_put_replaces(self, remote: Remote) -> None:
        """A second put leaves the second content, shorter or longer, and one entry."""
        for data in (b"long content", b"short", BIG, b""):
            remote.put("a", BytesSource(data))
            assert read(remote, "a") == data
            assert list(remote.list("")) in ([Entry("a", len(data))], [Entry("a", len(data), md5(data))])

    def test_delete_is_for_good(self, remote: Remote) -> None:
        """What was deleted is neither listed nor readable; its neighbours stay."""
        remote.put("packs/a", BytesSource(b"x"))
        remote.put("packs/b", BytesSource(b"y"))
        remote.delete("packs/a")
        assert sizes(remote, "packs") == {"packs/b": 1}
        with pytest.raises(RemoteRefused):
            read(remote, "packs/a")

    def test_delete_of_nothing_does_nothing(self, remote: Remote) -> None:
        """Deleting twice, a folder, below an object, or in an unused remote: all is well, nothing is lost."""
        remote.delete("never/was")
        remote.put("packs/a", BytesSource(b"x"))
        remote.put("packs/b", BytesSource(b"y"))
        for name in ("packs/a", "packs/a", "packs", "packs/b/below", "packs/never"):
            remote.delete(name)
        assert sizes(remote, "packs") == {"packs/b": 1}

    def test_a_deleted_name_can_be_used_again(self, remote: Remote) -> None:
        """A put after a delete is like the first one."""
        remote.put("a", BytesSource(b"first"))
        remote.delete("a")
        remote.put("a", BytesSource(b"second"))
        assert read(remote, "a") == b"second"

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names_are_names(self, remote: Remote, name: str) -> None:
        """Spaces, other scripts, dots and shell characters come back unchanged."""
        remote.put(name, BytesSource(b"x"))
        folder = name.rpartition("/")[0]
        assert sizes(remote, folder) == {name: 1}
        assert read(remote, name) == b"x"
        remote.delete(name)
        assert sizes(remote, folder) == {}

    @pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
    def test_bad_names_are_refused(self, remote: Remote, name: str) -> None:
        """No verb takes a name that could lead elsewhere, and nothing is touched."""
        remote.put("a", BytesSource(b"x"))
        sink = BytesIO()
        with pytest.raises(RemoteRefused):
            remote.put(name, BytesSource(b"y"))
        with pytest.raises(RemoteRefused):
            remote.get(name, sink)
        with pytest.raises(RemoteRefused):
            remote.delete(name)
        if name:
            with pytest.raises(RemoteRefused):
                remote.list(name)
        assert sink.getvalue() == b""
        assert sizes(remote, "") == {"a": 1}

    def test_two_clients_see_the_same(self, remote: Remote, other: Remote) -> None:
        """What one has put, replaced or deleted, the other sees at once, also after it has looked before."""
        assert sizes(other, "packs") == {}
        remote.put("packs/a", BytesSource(b"one"))
        assert sizes(other, "packs") == {"packs/a": 3}
        other.put("packs/a", BytesSource(b"second"))
        assert read(remote, "packs/a") == b"second"
        assert sizes(remote, "packs") == {"packs/a": 6}
        remote.delete("packs/a")
        assert sizes(other, "packs") == {}
        with pytest.raises(RemoteRefused):
            read(other, "packs/a")

    def test_eight_threads_put_different_names(self, remote: Remote) -> None:
        """Every object of every thread arrives whole, also in folders that nobody has used before."""

        def work(thread: int) -> None:
            for number in range(4):
                name = f"folder-{number}/{thread}"
                remote.put(name, BytesSource(name.encode() * 1000))
                assert read(remote, name) == name.encode() * 1000

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        for number in range(4):
            assert len(remote.list(f"folder-{number}")) == 8

    @pytest.mark.parametrize("kind", ["bytes", "file"])
    def test_a_source_can_be_put_again(self, remote: Remote, tmp_path: Path, kind: str) -> None:
        """A source is not used up: the same one is stored twice, and still read from any offset."""
        path = tmp_path / "source.bin"
        path.write_bytes(BIG)
        source: Source = FileSource(path) if kind == "file" else BytesSource(BIG)
        remote.put("a", source)
        remote.put("b", source)
        assert read(remote, "a") == read(remote, "b") == BIG
        with source.open(MIB) as stream:
            assert stream.read() == BIG[MIB:]

    @pytest.mark.parametrize("claimed", [2, 4], ids=["longer", "shorter"])
    def test_a_source_of_another_size_is_not_stored_silently(self, remote: Remote, claimed: int) -> None:
        """More or fewer bytes than the source's size: put raises, and it is worth another try."""
        with pytest.raises(RemoteUnavailable):
            remote.put("a", Misjudged(b"abc", claimed))

    @pytest.mark.parametrize("size", [1, 3 * MIB])
    def test_what_a_source_says_of_itself_is_passed_on(self, remote: Remote, size: int) -> None:
        """It is no failure of the remote, and nothing can be seen there that was not whole."""
        with pytest.raises(DamagedCheckpoint, match="not the bytes that were written"):
            remote.put("packs/a", Rotten(size))
        assert list(remote.list("packs")) == []

    def test_the_trainings_random_numbers_are_left_alone(self, remote: Remote) -> None:
        """No verb draws from the generators that a training draws from: beside it, that would change its numbers."""

        def state() -> tuple[object, bytes, bytes]:
            _, keys, *rest = np.random.get_state()
            return (random.getstate(), rest), np.asarray(keys).tobytes(), torch.get_rng_state().numpy().tobytes()

        before = state()
        for data in (b"small", BIG):
            remote.put("folder/a", BytesSource(data))
            remote.put("folder/a", BytesSource(data[::-1]))
            remote.list("folder")
            read(remote, "folder/a", 2)
            remote.delete("folder/a")
        with pytest.raises(RemoteRefused):
            read(remote, "folder/a")
        assert state() == before

    def test_it_behaves_like_a_dictionary(self, remote: Remote) -> None:
        """After any mixture of puts and deletes it holds what a dict would hold."""
        chance = random.Random(4)
        expected: dict[str, bytes] = {}
        for _ in range(60):
            name = f"{chance.choice('xyz')}/{chance.choice('abcd')}"
            if chance.random() < 0.6:
                expected[name] = chance.randbytes(chance.randrange(50))
                remote.put(name, BytesSource(expected[name]))
            else:
                expected.pop(name, None)
                remote.delete(name)
        listed = {name: size for folder in "xyz" for name, size in sizes(remote, folder).items()}
        assert listed == {name: len(data) for name, data in expected.items()}
        assert {name: read(remote, name) for name in listed} == expected
