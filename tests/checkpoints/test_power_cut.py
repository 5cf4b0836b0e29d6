"""The store survives what no program can catch: SIGKILL, and a real power cut, in the midst of commits and sweeps."""

from __future__ import annotations

import fcntl
import os
import random
import select
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checkpoints.drafts import SESSION, commit, slab

from colab_resume.checkpoints.pack import Slab
from colab_resume.checkpoints.store import Store
from colab_resume.durable import make_folder
from colab_resume.errors import StoreError

# A file system that was shut down lives on as long as any mount namespace has it, such as that of another test.
pytestmark = pytest.mark.xdist_group("machine")

EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2


def commit_on_and_on(root: Path, say: Callable[[str], object]) -> None:
    """Go on from the newest checkpoint for ever, tell of each that is safe, and of each before it may go."""
    store = Store(root, session=SESSION, pack_bytes=40_000)
    names = store.names()
    parent, step = (names[-1], int(names[-1][:10]) + 1) if names else (None, 0)
    while True:
        shared = [slab("frozen", 1, 60_000), slab("half", step // 4, 50_000)]
        parent = commit(store, step, *shared, slab("weight", step, 30_000), parent=parent).name
        say(f"+{parent}\n")
        names = store.names()
        for name in names[:-3]:
            say(f"-{name}\n")
        store.sweep(names[-3:])
        step += 1


@contextmanager
def writing(root: Path, promised: set[str], chance: random.Random) -> Iterator[int]:
    """A process that commits on and on; the block runs at some moment of that, with its id, and must kill it.

    What the process said until then is noted in `promised`.
    """
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            commit_on_and_on(root, lambda line: os.write(writer, line.encode()))
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as stream:
        for _ in range(chance.randrange(1, 5)):
            promise(stream.readline(), promised)
        # The moment is anywhere in a commit or sweep, which take a few milliseconds.
        select.select([], [], [], chance.random() * 0.02)
        yield child
        for line in stream:
            promise(line, promised)


def kill(child: int) -> int:
    """Kill a process; how it ended, for it may have been faster."""
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def promise(line: str, promised: set[str]) -> None:
    """Note what a child says: a checkpoint is safe, or may go."""
    assert line.endswith("\n"), "the child ended by itself"
    (promised.add if line[0] == "+" else promised.discard)(line[1:-1])


def check(root: Path, promised: set[str]) -> bool:
    """All that was promised is there, and all that is there is whole; whether packs were being written over."""
    store = Store(root, session=SESSION)
    try:
        assert promised <= set(store.names())
        for name in store.names():
            store.verify(store.read(name))
        return any(store.packs.glob("spare-*"))
    finally:
        store.close()


def test_a_kill_at_any_moment_leaves_whole_checkpoints(tmp_path: Path) -> None:
    """After SIGKILL in the midst of it, every acknowledged checkpoint is there, and every one there is whole."""
    chance, promised, recycled = random.Random(7), set[str](), 0
    for _ in range(20):
        with writing(tmp_path / "run", promised, chance) as child:
            assert kill(child) == signal.SIGKILL
        recycled += check(tmp_path / "run", promised)
    assert promised
    assert recycled


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """An ext4 file system of its own: the image, and where it is mounted."""
    image, mount = tmp_path / "image", tmp_path / "disk"
    mount.mkdir()
    image.touch()
    os.truncate(image, 64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, mount], check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs a loop device with ext4 ({mounted.stderr.strip()})")
    yield image, mount
    subprocess.run(["umount", mount], check=True)


def cut_power(mount: Path) -> None:
    """From now on nothing reaches the disk any more, not even what the file system has only in its own log buffer."""
    handle = os.open(mount, os.O_RDONLY)
    fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    os.close(handle)


def restart(image: Path, mount: Path) -> None:
    """What comes after a power cut: the file system repairs itself from its log."""
    subprocess.run(["umount", mount], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)


@pytest.mark.root
def test_a_power_cut_at_any_moment_leaves_whole_checkpoints(disk: tuple[Path, Path]) -> None:
    """After the disk stops in the midst of it, every acknowledged checkpoint is there, and every one there is whole."""
    image, mount = disk
    chance, promised, recycled = random.Random(7), set[str](), 0
    for _ in range(15):
        with writing(mount / "some" / "run", promised, chance) as child:
            cut_power(mount)
            kill(child)
        restart(image, mount)
        recycled += check(mount / "some" / "run", promised)
    assert promised
    assert recycled


@pytest.mark.root
def test_a_power_cut_amid_a_pack_that_is_written_over_costs_no_other(disk: tuple[Path, Path]) -> None:
    """Its file belonged to a checkpoint once: after the cut that one is gone for good, and the others are whole."""
    image, mount = disk

    def cut_in_the_middle() -> Iterator[memoryview]:
        yield memoryview(b"\xff" * (8 << 20))
        cut_power(mount)
        yield memoryview(bytes(8 << 20))

    store = Store(mount / "run", session=SESSION)
    names = [commit(store, step, slab("weight", step, 16 << 20)).name for step in range(2)]
    assert store.sweep(names[1:]) == names[:1]
    with pytest.raises(StoreError):
        commit(store, 2, Slab("weight", "U8", (16 << 20,), cut_in_the_middle, "0" * 32))
    store.close()
    restart(image, mount)
    check(mount / "run", {names[1]})
    assert sorted(path.stem for path in (mount / "run" / "checkpoints").iterdir()) == names[1:]


@pytest.mark.root
def test_a_checkpoint_survives_a_power_cut_right_after_its_commit(disk: tuple[Path, Path]) -> None:
    """A commit that has returned needs no further write to reach the disk."""
    image, mount = disk
    for step in range(3):
        store = Store(mount / "run", session=SESSION)
        commit(store, step)
        cut_power(mount)
        store.close()
        restart(image, mount)
        check(mount / "run", {f"000000000{step}-{SESSION}"})


@pytest.mark.root
def test_a_new_folder_survives_a_power_cut(disk: tuple[Path, Path]) -> None:
    """A folder made durably is there after a cut, with all folders above it."""
    image, mount = disk
    make_folder(mount / "a" / "b" / "c")
    cut_power(mount)
    restart(image, mount)
    assert (mount / "a" / "b" / "c").is_dir()
