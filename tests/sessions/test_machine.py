"""The facts about a process and its machine, on machines made of files, on this one, and on the stand-in for a VM."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from colab_resume.sessions.machine import LONGEST_TEXT, count_oom_kills, look, one_line, process_started

ENDPOINT = "--agent=https://eu.example/tun/m/3a8f77c1/gpu-t4-s-20b5vxyz --other"


def machine(folder: Path, *, oom: int = 0) -> tuple[dict[str, str], Path, Path]:
    """A hosted VM: its environment, /proc and /sys/fs/cgroup."""
    proc, cgroups = folder / "proc", folder / "cgroup"
    own = proc / str(os.getpid())
    own.mkdir(parents=True)
    (proc / "sys/kernel/random").mkdir(parents=True)
    (proc / "sys/kernel/random/boot_id").write_text("472b5a3c\n")
    (own / "stat").write_text(f"17 (a (b) c) S {' '.join(str(n) for n in range(1, 19))} 4242 1 2")
    (own / "cmdline").write_bytes(b"python3\0-f\0/root/.local/share/jupyter/runtime/kernel-3b1e-77.json\0")
    jupyter = cgroups / "jupyter-children"
    jupyter.mkdir(parents=True)
    (cgroups / "memory.events").write_text("low 0\noom 1\noom_kill 0\n")
    (jupyter / "memory.events").write_text(f"low 0\noom_kill {oom}\noom_group_kill 0\n")
    named = f"{cgroups / 'memory.events'} {jupyter / 'memory.events'} {folder / 'absent'}"
    return {"KMP_EXTRA_ARGS": ENDPOINT, "CGROUP_MEMORY_EVENTS": named}, proc, cgroups


def test_a_hosted_vm_is_known_by_its_files(tmp_path: Path) -> None:
    """Boot, process, kernel, the VM's assignment and the kills for want of memory, all by looking."""
    environ, proc, cgroups = machine(tmp_path, oom=3)
    found = look(gpu="Tesla T4", place="Google Colab", environ=environ, proc=proc, cgroups=cgroups)
    assert (found.boot_id, found.pid, found.kernel_id) == ("472b5a3c", os.getpid(), "3b1e-77")
    assert found.kernel_started == 4242 / os.sysconf("SC_CLK_TCK")
    assert (found.endpoint, found.oom_kills) == ("gpu-t4-s-20b5vxyz", 3)
    assert (found.gpu, found.place) == ("Tesla T4", "Google Colab")


def test_where_nothing_can_be_found_out_nothing_is_known(tmp_path: Path) -> None:
    """No /proc, no cgroups, no variables: unknown, and no error."""
    found = look(environ={}, proc=tmp_path, cgroups=tmp_path)
    assert (found.boot_id, found.kernel_started, found.oom_kills) == (None, None, None)
    assert (found.gpu, found.place, found.endpoint, found.kernel_id) == ("", "", "", "")
    assert found.host


@pytest.mark.parametrize("content", [b"", b"17 (", b"17 (x) S 1 2", b"\xff" * 99, b"1 (x) " + b"no " * 30])
def test_a_torn_account_of_the_process_is_unknown(tmp_path: Path, content: bytes) -> None:
    """Whatever stands there, it is not believed further than it can be read."""
    _, proc, cgroups = machine(tmp_path)
    (proc / str(os.getpid()) / "stat").write_bytes(content)
    assert look(environ={}, proc=proc, cgroups=cgroups).kernel_started is None


def test_kills_are_counted_where_the_system_counts_them(tmp_path: Path) -> None:
    """Named files first, all of them together; else those of cgroup v2, else of v1; nonsense is not counted."""
    environ, _, cgroups = machine(tmp_path, oom=3)
    assert count_oom_kills(environ=environ, cgroups=cgroups) == 3
    (cgroups / "memory.events").write_text("oom_kill 2\n")
    assert count_oom_kills(environ=environ, cgroups=cgroups) == 5
    assert count_oom_kills(environ={}, cgroups=cgroups) == 2
    assert count_oom_kills(environ={"CGROUP_MEMORY_EVENTS": "/nowhere"}, cgroups=cgroups) == 2
    (cgroups / "memory.events").write_bytes(b"oom_kill\noom_kill x\xff\n")
    (cgroups / "memory").mkdir()
    (cgroups / "memory/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n")
    assert count_oom_kills(environ={}, cgroups=cgroups) == 7
    assert count_oom_kills(environ={}, cgroups=tmp_path / "none") is None


def test_any_text_fits_a_record() -> None:
    """What cannot be seen becomes a space, and what is too long is cut."""
    assert one_line(" a\n\x1b[31m\tb\u202e ") == "a [31m b"
    assert one_line("é" * 300) == "é" * (LONGEST_TEXT - 1) + "…"
    assert one_line("") == ""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
def test_a_process_is_told_from_a_later_one() -> None:
    """By the moment it began: that of a child is later than ours, and each is the same whenever one looks."""
    ours = process_started(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        theirs = process_started(child.pid)
        assert theirs == process_started(child.pid)
        assert theirs > ours
    assert look().kernel_started == ours == process_started(os.getpid())
