"""Files that are written over: only those that nobody needs, and never more of them than they are worth."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.checkpoints.spares import Spares
from colab_resume.errors import StoreError

OLD, NEW = b"old " * 5000, b"new " * 4000

# Reads as the format asks: opens the file by its name, and locks it before it says so; then reads when it is told to.
READER = """
import fcntl, sys
with open(sys.argv[1], "rb") as stream:
    fcntl.flock(stream, fcntl.LOCK_SH)
    print("reading", flush=True)
    sys.stdin.readline()
    sys.stdout.write(stream.read().decode())
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack that is about to retire."""
    path = tmp_path / "old"
    path.write_bytes(OLD)
    return path


def spares_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("spare-*"))


def write(spares: Spares, path: Path, content: bytes = NEW) -> None:
    spares.write(path, len(content), lambda: [memoryview(content)])
    assert path.read_bytes() == content


@contextmanager
def reader(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A second process that has the file locked, and has not read it yet."""
    command = [sys.executable, "-c", READER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        yield process
        process.kill()


@pytest.mark.parametrize("content", [NEW, OLD + NEW, b""])
def test_a_retired_pack_becomes_the_next_one(tmp_path: Path, pack: Path, content: bytes) -> None:
    """The very file is used again, be the new pack shorter or longer, and nothing of the old content shines through."""
    spares, inode = Spares(tmp_path), pack.stat().st_ino
    spares.retire([pack], limit=len(OLD))
    assert not pack.exists()
    assert spares.nbytes == len(OLD)
    write(spares, tmp_path / "new", content)
    assert (tmp_path / "new").stat().st_ino == inode
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert spares.nbytes == 0


def test_the_spare_that_fits_best_is_taken(tmp_path: Path) -> None:
    """A small pack leaves the large spare to a large one."""
    spares = Spares(tmp_path)
    inodes = {}
    for size in (100_000, 16_100, 5):
        path = tmp_path / str(size)
        path.write_bytes(bytes(size))
        inodes[size] = path.stat().st_ino
        spares.retire([path], limit=200_000)
    for name, size in (("a", 16_100), ("b", 5), ("c", 100_000)):
        write(spares, tmp_path / name)
        assert (tmp_path / name).stat().st_ino == inodes[size]


def test_a_file_with_another_name_is_not_written_over(tmp_path: Path, pack: Path) -> None:
    """Whoever keeps a pack by a hard link keeps its content."""
    kept = tmp_path / "kept"
    kept.hardlink_to(pack)
    spares = Spares(tmp_path)
    spares.retire([pack], limit=len(OLD))
    write(spares, tmp_path / "new")
    assert kept.read_bytes() == OLD
    assert not pack.exists()


@pytest.mark.parametrize("when", ["before it retires", "before it is written over"])
def test_what_another_process_reads_is_not_written_over(tmp_path: Path, pack: Path, when: str) -> None:
    """A reader with the shared lock reads to the end what it opened, whatever happens to the pack meanwhile."""
    spares = Spares(tmp_path)
    if when == "before it is written over":
        spares.retire([pack], limit=len(OLD))
        [pack] = spares_of(tmp_path)
    with reader(pack) as process:
        if when == "before it retires":
            spares.retire([pack], limit=len(OLD))
        write(spares, tmp_path / "new")
        assert process.communicate("go on\n")[0].encode() == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_new_pack_can_be_locked_at_once(tmp_path: Path, pack: Path) -> None:
    """Nothing of the recycling's own lock is left on a pack that it made."""
    spares = Spares(tmp_path)
    spares.retire([pack], limit=len(OLD))
    write(spares, tmp_path / "new")
    with (tmp_path / "new").open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


@given(sizes=st.lists(st.integers(0, 50), max_size=6), limit=st.integers(0, 120))
def test_spares_stay_within_their_limit(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int) -> None:
    """However many packs retire, at once or one by one, they never keep more space than was allowed."""
    folder = tmp_path_factory.mktemp("packs")
    spares = Spares(folder)
    paths = [folder / str(number) for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(bytes(size))
    for group in (paths[:3], paths[3:]):
        spares.retire(group, limit=limit)
        assert spares.nbytes == sum(path.stat().st_size for path in folder.glob("spare-*")) <= limit
    spares.retire([], limit=0)
    assert spares.nbytes == 0


def test_spares_of_an_earlier_process_are_used(tmp_path: Path, pack: Path) -> None:
    """What a killed process had put away is found again; files that are only called alike are left alone."""
    inode = pack.stat().st_ino
    Spares(tmp_path).retire([pack], limit=len(OLD))
    (tmp_path / "spare-parts.txt").write_text("mine")
    spares = Spares(tmp_path)
    assert spares.nbytes == len(OLD)
    write(spares, tmp_path / "new")
    assert (tmp_path / "new").stat().st_ino == inode
    assert (tmp_path / "spare-parts.txt").read_text() == "mine"


def test_a_spare_that_somebody_deleted_is_not_missed(tmp_path: Path, pack: Path) -> None:
    """A pack is written without it."""
    spares = Spares(tmp_path)
    spares.retire([pack], limit=len(OLD))
    spares_of(tmp_path)[0].unlink()
    write(spares, tmp_path / "new")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.root
def test_on_a_full_disk_the_spares_make_room(small_disk: Path) -> None:
    """A pack that fits only without the spares is written; one that does not fit at all leaves nothing."""
    spares = Spares(small_disk)
    for name in ("a", "b"):
        (small_disk / name).write_bytes(bytes(350_000))
    spares.retire([small_disk / "a", small_disk / "b"], limit=700_000)
    assert len(spares_of(small_disk)) == 2
    write(spares, small_disk / "new", bytes(800_000))
    assert [path.name for path in small_disk.iterdir()] == ["new"]
    with pytest.raises(StoreError, match="Free space"):
        spares.write(small_disk / "more", 300_000, lambda: [memoryview(bytes(300_000))])
    assert [path.name for path in small_disk.iterdir()] == ["new"]
