"""Packs on the disk, read while others may want to write over them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from checkpoints.drafts import slab

from colab_resume.checkpoints.pack import PackInfo, write_pack
from colab_resume.checkpoints.pack_file import PackFile, read_pack
from colab_resume.errors import DamagedCheckpoint


def is_free(path: Path) -> bool:
    """Whether somebody could have the file for himself now."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_a_pack_is_locked_while_it_is_read(tmp_path: Path) -> None:
    """Nobody can take its file to write over it, and everybody can afterwards."""
    path = tmp_path / "pack"
    info = write_pack(path, [slab("a", 1)])
    seen: list[bool] = []
    read_pack(path, info, progress=lambda _: seen.append(is_free(path)))
    assert seen == [False]
    assert is_free(path)


def test_a_process_forked_meanwhile_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A data loader's worker has the file open, too, as long as it lives."""
    path = tmp_path / "pack"
    write_pack(path, [slab("a", 1)])
    with PackFile(path):
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
    try:
        assert is_free(path)
    finally:
        os.close(writer)
        os.waitpid(child, 0)
        os.close(reader)


def test_a_pack_whose_file_was_taken_meanwhile_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking a file it may have been retired: what it holds then is no longer the pack."""
    path = tmp_path / "pack"
    info = write_pack(path, [slab("a", 1)])
    lock = fcntl.flock

    def retire_and_lock(file: PackFile, how: int) -> None:
        if how == fcntl.LOCK_SH:
            path.rename(tmp_path / "retired")
            write_pack(path, [slab("b", 2)])
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", retire_and_lock)
    with pytest.raises(DamagedCheckpoint, match="not there any more"):
        read_pack(path, info)


def test_a_disk_without_locks_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems refuse every lock; nobody can take a file for himself there either."""

    def refuse(file: PackFile, how: int) -> None:
        raise OSError(95, "Operation not supported")

    info = write_pack(tmp_path / "pack", [slab("a", 1)])
    monkeypatch.setattr(fcntl, "flock", refuse)
    read_pack(tmp_path / "pack", info)


def test_a_file_that_ends_while_it_is_read_is_damaged(tmp_path: Path) -> None:
    """A pack that loses its end under the reader's hands is not waited for."""
    path = tmp_path / "pack"
    info = write_pack(path, [slab("a", 1, 3 << 20)])
    with pytest.raises(DamagedCheckpoint, match=f"instead of {info.size}"):
        read_pack(path, info, progress=lambda _: os.truncate(path, 1 << 20))


def test_a_wrong_digest_is_damage_even_if_every_byte_is_there(tmp_path: Path) -> None:
    """A pack that is not the one meant is refused, though it is sound by itself."""
    info = write_pack(tmp_path / "pack", [slab("a", 1)])
    with pytest.raises(DamagedCheckpoint, match="another digest"):
        read_pack(tmp_path / "pack", PackInfo(info.size, "0" * 32))
