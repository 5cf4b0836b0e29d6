"""How much memory may be taken, on machines and in containers of several makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from colab_resume.checkpoints.memory_room import room

GIB = 1 << 30


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A machine with 10 GiB available."""
    write(
        tmp_path / "proc" / "meminfo", f"MemTotal: 99999999 kB\nMemAvailable: {10 * GIB >> 10} kB\nHugePages_Total: 0\n"
    )
    return tmp_path / "proc"


def write(path: Path, text: str) -> None:
    """A small file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def group_2(folder: Path, limit: object, used: int, cached: int = 0) -> None:
    """A group of version 2."""
    write(folder / "memory.max", f"{limit}\n")
    write(folder / "memory.current", f"{used}\n")
    write(folder / "memory.stat", f"anon 5\nactive_file {cached // 2}\ninactive_file {cached - cached // 2}\n")


def group_1(folder: Path, limit: int, used: int, cached: int = 0) -> None:
    """A group of version 1."""
    write(folder / "memory.limit_in_bytes", f"{limit}\n")
    write(folder / "memory.usage_in_bytes", f"{used}\n")
    write(folder / "memory.stat", f"active_file 1\ntotal_active_file {cached}\ntotal_inactive_file 0\n")


def test_without_groups_it_is_what_the_system_has(proc: Path, tmp_path: Path) -> None:
    """A machine without containers."""
    assert room(proc=proc, cgroups=tmp_path / "none") == 10 * GIB


def test_a_group_of_either_version_can_allow_less(proc: Path, tmp_path: Path) -> None:
    """What the container may still take counts, and the files it has cached are not taken."""
    write(proc / "self" / "cgroup", "0::/\n")
    group_2(tmp_path / "two", 4 * GIB, 3 * GIB, cached=GIB)
    assert room(proc=proc, cgroups=tmp_path / "two") == 2 * GIB
    write(proc / "self" / "cgroup", "9:name=systemd:/\n4:cpu,memory:/jobs/mine\n0::/\n")
    group_1(tmp_path / "one" / "memory" / "jobs" / "mine", 4 * GIB, 3 * GIB, cached=2 * GIB)
    assert room(proc=proc, cgroups=tmp_path / "one") == 3 * GIB


def test_a_group_further_out_can_allow_less_still(proc: Path, tmp_path: Path) -> None:
    """The smallest limit on the way up counts."""
    write(proc / "self" / "cgroup", "0::/jobs/mine\n")
    group_2(tmp_path / "cgroups" / "jobs" / "mine", 8 * GIB, 0)
    group_2(tmp_path / "cgroups" / "jobs", 3 * GIB, 2 * GIB)
    group_2(tmp_path / "cgroups", "max", 0)
    assert room(proc=proc, cgroups=tmp_path / "cgroups") == GIB


def test_a_group_without_a_limit_allows_all(proc: Path, tmp_path: Path) -> None:
    """Version 2 says `max`, version 1 a number beyond any machine."""
    write(proc / "self" / "cgroup", "4:memory:/\n0::/\n")
    group_2(tmp_path / "cgroups", "max", 5)
    group_1(tmp_path / "cgroups" / "memory", 2**63 - 4096, 5)
    assert room(proc=proc, cgroups=tmp_path / "cgroups") == 10 * GIB


def test_a_group_that_has_too_much_leaves_no_room(proc: Path, tmp_path: Path) -> None:
    """It is never less than nothing."""
    write(proc / "self" / "cgroup", "0::/\n")
    group_2(tmp_path / "cgroups", GIB, 2 * GIB)
    assert room(proc=proc, cgroups=tmp_path / "cgroups") == 0


def test_where_nothing_is_known_there_is_no_room(tmp_path: Path) -> None:
    """Whoever asks takes the way that needs none."""
    assert room(proc=tmp_path, cgroups=tmp_path) == 0


def test_this_machine_has_some() -> None:
    """The real files are understood."""
    assert room() > 0
