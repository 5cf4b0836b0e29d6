"""A folder on a new VM, and on one where it lies already: complete, or not there."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from folders.conftest import VM, Counting, content, write
from run_folders import forge

from colab_resume.errors import CheckpointError, DamagedCheckpoint, NoGoodCheckpoint, RemoteUnavailable
from colab_resume.folders.shelf import Shelf
from colab_resume.remotes import BytesSource
from colab_resume.remotes.folder import FolderRemote
from colab_resume.testing import FaultyRemote

SETS, FILES = "folders/weights/sets", "folders/weights/files"
TREE = {
    "saved_model.pb": b"graph" * 100,
    "variables/variables.index": b"i",
    "variables/variables.data-00000-of-00001": bytes(range(256)) * 800,
    "assets/empty.txt": b"",
    "best.pt": b"same" * 1000,
    "last.pt": b"same" * 1000,
}


def aside(vm: VM) -> list[Path]:
    return sorted(vm.path.parent.glob("weights.set-aside-*"))


def flip(remote: Counting, name: str, place: int = 0) -> None:
    data = bytearray(remote._objects[name].data)
    data[place] ^= 1
    remote._objects[name] = BytesSource(bytes(data))


def blob(remote: Counting, data: bytes) -> str:
    """The name of the object with this content."""
    (found,) = [entry.name for entry in remote.list(FILES) if remote._objects[entry.name].data == data]
    return found


def test_a_new_vm_gets_the_whole_folder(vm: VM, new_vm: VM) -> None:
    """Contents, empty folders, permissions and times; files with one content are separate files."""
    write(vm.path, TREE)
    (vm.path / "assets" / "deep").mkdir()
    (vm.path / "saved_model.pb").chmod(0o640)
    os.utime(vm.path / "last.pt", ns=(10**18, 10**18 + 123_456_789))
    os.utime(vm.path / "assets", ns=(10**18, 10**18 + 5))
    vm.track()
    vm.mirror()
    assert new_vm.track() == new_vm.path
    assert content(new_vm.path) == TREE
    assert (new_vm.path / "assets" / "deep").is_dir()
    assert (new_vm.path / "saved_model.pb").stat().st_mode & 0o777 == 0o640
    for path in ("last.pt", "assets", "variables"):
        assert (new_vm.path / path).stat().st_mtime_ns == (vm.path / path).stat().st_mtime_ns
    assert (new_vm.path / "best.pt").stat().st_nlink == 1
    assert sorted(path.name for path in new_vm.path.parent.iterdir()) == ["weights"]
    assert "6 files brought back" in new_vm.told[0]


def test_the_first_time_there_is_nothing_to_bring_back(vm: VM) -> None:
    """The folder is not even made: some frameworks take another name if it is there."""
    vm.track()
    assert not vm.path.exists()
    assert vm.told == []


def test_a_folder_of_unknown_origin_is_mirrored_from_now_on(vm: VM, new_vm: VM) -> None:
    """Nothing of it is touched."""
    write(vm.path, TREE)
    before = {path: path.stat() for path in vm.path.rglob("*")}
    vm.track()
    vm.mirror()
    assert {path: path.stat() for path in vm.path.rglob("*")} == before or all(
        before[path].st_mtime_ns == path.stat().st_mtime_ns for path in before
    )
    assert "mirrored from now on" in vm.told[0]


def test_on_the_same_disk_what_is_the_newest_set_stays(vm: VM, remote: Counting) -> None:
    """The very files, and nothing is fetched; a log that has grown since is no difference."""
    write(vm.path, {**TREE, "train.log": b"1\n"})
    vm.track()
    vm.mirror()
    with (vm.path / "train.log").open("ab") as log:
        log.write(b"2\n")
    inodes = {path: path.stat().st_ino for path in vm.path.rglob("*")}
    again = VM(vm.disk, remote)
    again.track()
    assert {path: path.stat().st_ino for path in vm.path.rglob("*")} == inodes
    assert not aside(vm)
    assert "as in set 1" in again.told[0]


def test_what_had_not_settled_is_set_aside(vm: VM, remote: Counting) -> None:
    """The newest set takes its place; what it had rightly is not fetched, and nothing is lost."""
    write(vm.path, TREE)
    vm.track()
    vm.mirror()
    (vm.path / "last.pt").write_bytes(b"torn")
    (vm.path / "new.pt").write_bytes(b"new")
    remote.seen.clear()
    again = VM(vm.disk, FaultyRemote(remote, lambda number, verb, name: _refused(verb, name)))
    again.track()
    assert content(vm.path) == TREE
    (there,) = aside(vm)
    assert content(there) == {"last.pt": b"torn", "new.pt": b"new"}
    assert there.name in again.told[0]
    again.mirror()
    assert len(remote.names(SETS)) == 1


def _refused(verb: str, name: str) -> Exception | None:
    return AssertionError(name) if verb == "get" and "/files/" in name else None


def test_a_settled_state_that_was_not_sent_yet_is_kept(vm: VM, remote: Counting) -> None:
    """Its list is in the store, so it is known to be whole; it is sent by the session that finds it."""
    write(vm.path, TREE)
    vm.track()
    vm.mirror()
    write(vm.path, {"last.pt": b"later"})
    away = RemoteUnavailable("the line is cut", hint="wait")
    cut = VM(vm.disk, FaultyRemote(remote, lambda number, verb, name: away if verb == "put" else None))
    write(vm.path, TREE)
    cut.track()
    write(vm.path, {"last.pt": b"later"})
    with pytest.raises(RemoteUnavailable):
        cut.mirror()
    again = VM(vm.disk, remote)
    again.track()
    assert content(vm.path) == {"last.pt": b"later"}
    assert not aside(vm)
    again.mirror()
    other = VM(vm.disk.parent / "other", remote)
    other.track()
    assert content(other.path) == {"last.pt": b"later"}


def test_another_vm_that_went_on_wins(vm: VM, new_vm: VM, remote: Counting) -> None:
    """What lies here is then an older state, whole as it is."""
    write(vm.path, {"last.pt": b"1"})
    vm.track()
    vm.mirror()
    new_vm.track()
    write(new_vm.path, {"last.pt": b"2"})
    new_vm.mirror()
    again = VM(vm.disk, remote)
    again.track()
    assert content(vm.path) == {"last.pt": b"2"}
    assert [content(path) for path in aside(vm)] == [{"last.pt": b"1"}]


def test_a_deleted_folder_comes_back(vm: VM, remote: Counting) -> None:
    """On the same disk, too."""
    write(vm.path, TREE)
    vm.track()
    vm.mirror()
    write(vm.path, {})
    VM(vm.disk, remote).track()
    assert content(vm.path) == TREE


@pytest.mark.parametrize("place", [0, 50_000, -1])
def test_a_flipped_bit_is_noticed_and_the_set_before_is_used(vm: VM, new_vm: VM, remote: Counting, place: int) -> None:
    """With the reason; and what is captured later outranks the damaged one."""
    write(vm.path, {"last.pt": b"1" * 100_000})
    vm.track()
    vm.mirror()
    write(vm.path, {"last.pt": b"2" * 100_000})
    vm.mirror()
    flip(remote, blob(remote, b"2" * 100_000), place)
    new_vm.track()
    assert content(new_vm.path) == {"last.pt": b"1" * 100_000}
    assert "last.pt is damaged" in new_vm.told[0]
    write(new_vm.path, {"last.pt": b"3"})
    new_vm.mirror()
    third = VM(vm.disk.parent / "third", remote)
    third.track()
    assert content(third.path) == {"last.pt": b"3"}


def test_a_damaged_content_is_sent_again_when_it_is_needed_again(vm: VM, new_vm: VM, remote: Counting) -> None:
    """That something of its name and size is there does not mean that it is good."""
    write(vm.path, {"last.pt": b"1" * 100})
    vm.track()
    vm.mirror()
    write(vm.path, {"last.pt": b"2" * 100})
    vm.mirror()
    flip(remote, blob(remote, b"2" * 100))
    new_vm.track()
    write(new_vm.path, {"last.pt": b"2" * 100})
    new_vm.mirror()
    third = VM(vm.disk.parent / "third", remote)
    third.track()
    assert content(third.path) == {"last.pt": b"2" * 100}


@pytest.mark.parametrize("place", [3, 90, -2])
def test_a_flipped_bit_in_a_list_is_noticed(vm: VM, new_vm: VM, remote: Counting, place: int) -> None:
    """The set before is used."""
    for text in (b"1", b"2"):
        write(vm.path, {"last.pt": text})
        vm.track()
        vm.mirror()
    flip(remote, f"{SETS}/{max(remote.names(SETS))}", place)
    new_vm.track()
    assert content(new_vm.path) == {"last.pt": b"1"}


def test_sets_of_which_none_is_good_are_an_error(vm: VM, new_vm: VM, remote: Counting) -> None:
    """Never a silent start from nothing."""
    write(vm.path, {"last.pt": b"1"})
    vm.track()
    vm.mirror()
    flip(remote, blob(remote, b"1"))
    with pytest.raises(NoGoodCheckpoint, match=r"last\.pt is damaged"):
        new_vm.track()
    assert not new_vm.path.exists()
    assert list(new_vm.path.parent.iterdir()) == []


def test_a_remote_that_cannot_be_asked_is_an_error(vm: VM) -> None:
    """It may hold the newest."""
    away = RemoteUnavailable("the line is cut", hint="wait")
    with pytest.raises(RemoteUnavailable):
        VM(vm.disk, FaultyRemote(Counting(), {1: away})).track()


def hostile(tmp_path: Path, remote: FolderRemote, **changed: object) -> VM:
    """A new VM, and a set that somebody has forged who knows the format."""
    vm = VM(tmp_path / "writer", remote)
    write(vm.path, {"a.pt": b"a", "b.pt": b"b"})
    vm.track()
    vm.mirror()
    (path,) = (remote.root / SETS).glob("*.json")

    def change(document: dict[str, object]) -> None:
        files = document["files"]
        assert isinstance(files, list)
        for member, value in changed.items():
            if member in document:
                document[member] = value
            else:
                files[0][member] = value

    forge(path, change)
    return VM(tmp_path / "reader", remote)


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "/etc/passwd"},
        {"path": "../outside"},
        {"path": "a/../../outside"},
        {"path": "a//b"},
        {"path": "./a"},
        {"path": ""},
        {"path": "a\0b"},
        {"path": "x" * 300},
        {"path": 5},
        {"path": "b.pt"},
        {"path": "b.pt/c"},
        {"size": -1},
        {"size": True},
        {"size": 2**64},
        {"digest": "../../../../etc/passwd"},
        {"mode": 0o4755},
        {"mtime_ns": -1},
        {"folders": {"../outside": 0}},
        {"folders": {"b.pt": 0}},
        {"folders": []},
        {"files": [{}]},
        {"files": {}},
        {"number": 7},
        {"number": "1"},
        {"session": "../../"},
        {"created": "now"},
        {"created": 1e400},
    ],
    ids=str,
)
def test_a_forged_set_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    """Nothing is written anywhere, whatever it says."""
    new_vm = hostile(tmp_path, FolderRemote(tmp_path / "remote"), **changed)
    with pytest.raises(NoGoodCheckpoint):
        new_vm.track()
    assert not list((tmp_path / "reader").rglob("*.pt"))
    assert not (tmp_path / "outside").exists()


def test_a_forged_size_brings_no_more_than_it_says(tmp_path: Path) -> None:
    """Neither less."""
    for size in (0, 2, 10**12):
        folder = tmp_path / str(size)
        with pytest.raises(NoGoodCheckpoint):
            hostile(folder, FolderRemote(folder / "remote"), size=size, path="a.pt").track()
        assert not list((folder / "reader").rglob("a.pt"))


def test_more_than_there_should_be_is_not_even_written(vm: VM, remote: Counting) -> None:
    """Whoever sends without an end fills no disk."""
    write(vm.path, {"a.pt": b"a"})
    vm.track()
    vm.mirror()
    shelf = Shelf(remote, "weights")
    shelf.refresh()
    (made,) = shelf.whole()
    remote._objects[blob(remote, b"a")] = BytesSource(b"a" * 1000)
    sink = BytesIO()
    with pytest.raises(DamagedCheckpoint):
        shelf.get_content(made.files[0], sink, lambda _: None)
    assert sink.getvalue() == b""


def test_a_set_of_a_newer_format_is_told_and_not_gone_round(tmp_path: Path) -> None:
    """To go on from an older one would fork the run."""
    with pytest.raises(CheckpointError, match="newer colab_resume"):
        hostile(tmp_path, FolderRemote(tmp_path / "remote"), format=2).track()


def test_what_a_killed_process_left_beside_the_place_goes(vm: VM, new_vm: VM) -> None:
    """Only what has our own name."""
    write(vm.path, TREE)
    vm.track()
    vm.mirror()
    write(new_vm.path.with_name(".weights.bringing-0a1b2c3d"), {"half": b"x"})
    write(new_vm.path.with_name(".weights.bringing"), {"not ours": b"x"})
    new_vm.track()
    assert sorted(path.name for path in new_vm.path.parent.iterdir()) == [".weights.bringing", "weights"]
