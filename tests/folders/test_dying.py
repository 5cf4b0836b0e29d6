"""A VM that dies at any operation of its remote leaves whole sets only, and the next one goes on from the newest."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from folders.conftest import VM, Counting, content, write

from colab_resume.folders.sets import FileSet
from colab_resume.testing import DyingRemote, VMDied

SETS = "folders/weights/sets"
STATES = [
    {"last.pt": bytes([65 + n]) * 3000, "best.pt": bytes([65 + n // 2]) * 2000, f"{n}/part": bytes([n]) * 10}
    for n in range(5)
]


def lives(vm: VM) -> None:
    """Five states, each of which settles; sets go when two newer ones are there."""
    vm.track()
    for state in STATES:
        write(vm.path, state)
        vm.mirror()


def operations(tmp_path: Path) -> int:
    remote = DyingRemote(Counting(), 10**6, when="before")
    lives(VM(tmp_path, remote, keep=2))
    return remote.operations


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_death_at_any_operation_leaves_a_state_that_was(
    tmp_path: Path, when: Literal["before", "during", "after"]
) -> None:
    """Never half of one, never an older one than was committed before; and the next VM can go on."""
    count = operations(tmp_path / "whole")
    assert count > 30
    known = [-1]
    for nth in range(1, count + 1):
        remote = Counting()
        with pytest.raises(VMDied):
            lives(VM(tmp_path / f"{nth}", DyingRemote(remote, nth, when=when), keep=2))
        sets = [name for name in remote.names(SETS) if _whole(remote, name)]
        new_vm = VM(tmp_path / f"{nth} new", remote, keep=2)
        if not remote.names(SETS):
            new_vm.track()
            assert not new_vm.path.exists()
            continue
        if not sets:
            continue  # the very first document was torn: then there is an error, and test_bringing_back has it
        new_vm.track()
        found = STATES.index(content(new_vm.path))
        assert found >= max(known) - (when == "during")
        known.append(found)
        write(new_vm.path, {"next": b"n"})
        new_vm.mirror()
        last = VM(tmp_path / f"{nth} last", remote)
        last.track()
        assert content(last.path) == {"next": b"n"}
    assert max(known) == len(STATES) - 1


def _whole(remote: Counting, name: str) -> bool:
    try:
        FileSet.from_bytes(remote._objects[f"{SETS}/{name}"].data, name.removesuffix(".json"))
    except Exception:  # noqa: BLE001 - torn in whatever way
        return False
    return True


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_death_while_it_is_brought_back_leaves_all_or_nothing(
    tmp_path: Path, when: Literal["before", "during", "after"]
) -> None:
    """And the next try has it."""
    remote = Counting()
    lives(VM(tmp_path / "first", remote))
    for nth in range(1, 20):
        disk = tmp_path / f"{nth}"
        try:
            VM(disk, DyingRemote(remote, nth, when=when)).track()
        except VMDied:
            assert not (disk / "work" / "weights").exists()
        vm = VM(disk, remote)
        vm.track()
        assert content(vm.path) == STATES[-1]
