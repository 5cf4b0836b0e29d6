"""What goes to the remote, in which order, how often, and what is deleted there."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from folders.conftest import VM, Counting, content, write

from colab_resume.errors import RemoteFull, RemoteUnavailable, RunInUse, StoreError, UsageError
from colab_resume.folders.sets import FileSet
from colab_resume.remotes import Receipt, Remote, Source
from colab_resume.remotes.opening import open_remote
from colab_resume.remotes.retrying import Retrying
from colab_resume.testing import FaultyRemote, MemoryRemote

SETS, FILES = "folders/weights/sets", "folders/weights/files"


def newest(remote: Counting) -> FileSet:
    name = max(remote.names(SETS))
    with_bytes = remote._objects[f"{SETS}/{name}"].data
    return FileSet.from_bytes(with_bytes, name.removesuffix(".json"))


def test_a_set_comes_after_its_contents(vm: VM, remote: Counting) -> None:
    """Whoever sees the set sees all that it names."""
    write(vm.path, {"a.pt": b"a" * 1000, "deep/b.pt": b"b" * 2000})
    vm.track()
    vm.mirror()
    puts = [name for verb, name in remote.seen if verb == "put"]
    assert len(puts) == 3
    assert all(name.startswith(f"{FILES}/") for name in puts[:2])
    assert puts[2].startswith(f"{SETS}/0000000001-")
    assert [file.path for file in newest(remote).files] == ["a.pt", "deep/b.pt"]


def test_what_has_not_changed_is_never_sent_again(vm: VM, remote: Counting) -> None:
    """Neither by this session nor by the next one; the bytes are counted."""
    write(vm.path, {"backbone.pt": b"x" * 100_000, "head.pt": b"1" * 500})
    vm.track()
    vm.mirror()
    before = remote.bytes
    (vm.path / "head.pt").write_bytes(b"2" * 500)
    (vm.path / "best.pt").write_bytes(b"x" * 100_000)
    vm.mirror()
    assert remote.bytes - before < 500 + 2000  # the head and the list
    again = VM(vm.disk, remote)
    again.track()
    before = remote.bytes
    again.mirror()
    assert remote.bytes == before
    assert len(remote.names(SETS)) == 2


def test_a_touched_file_is_no_news(vm: VM, remote: Counting) -> None:
    """Only contents tell sets apart."""
    write(vm.path, {"a.pt": b"a"})
    vm.track()
    vm.mirror()
    (vm.path / "a.pt").touch()
    vm.mirror()
    assert len(remote.names(SETS)) == 1


def test_deleted_files_follow_and_old_sets_go_document_first(vm: VM, remote: Counting) -> None:
    """The last ones are kept; a content goes when no kept set names it."""
    vm = VM(vm.disk, remote, keep=2)
    write(vm.path, {"keep.pt": b"k", "1.pt": b"1"})
    vm.track()
    vm.mirror()
    for number in (2, 3, 4):
        (vm.path / f"{number - 1}.pt").unlink()
        (vm.path / f"{number}.pt").write_bytes(b"%d" % number)
        vm.mirror()
    assert [name[:10] for name in remote.names(SETS)] == ["0000000003", "0000000004"]
    assert len(remote.names(FILES)) == 3
    deleted = [name for verb, name in remote.seen if verb == "delete"]
    assert [name.split("/")[2] for name in deleted] == ["sets", "files"] * 2
    assert all(name.startswith("folders/weights/") for name in deleted)


def test_nothing_is_deleted_beside_a_newer_format(vm: VM, remote: Counting) -> None:
    """It may name anything, in a way that this version does not know."""
    vm = VM(vm.disk, remote, keep=2)
    write(vm.path, {"a.pt": b"0"})
    vm.track()
    vm.mirror()
    made = newest(remote)
    forged = made.to_bytes().replace(b'"format":1', b'"format":2')
    import hashlib

    body = forged[77:]
    remote._objects[f"{SETS}/0000000002-zzzzzz.json"] = type(remote._objects[f"{SETS}/{made.name}.json"])(
        b'{"sha256":"%s",' % hashlib.sha256(body).hexdigest().encode() + body
    )
    vm.folders.forget()
    for number in range(1, 5):
        (vm.path / "a.pt").write_bytes(b"%d" % number)
        vm.mirror()
    assert not [name for verb, name in remote.seen if verb == "delete"]
    assert max(remote.names(SETS))[:10] == "0000000006"


@pytest.mark.parametrize(
    "name", ["last.pt.tmp", "checkpoint.tmp1f0c22aa", "x.part", "variables_temp", "tmp-checkpoint-5"]
)
def test_what_is_not_finished_is_not_mirrored_and_that_is_said_once(vm: VM, remote: Counting, name: str) -> None:
    """Neither are links: they may lead anywhere."""
    write(vm.path, {"a.pt": b"a", f"deep/{name}": b"half"})
    (vm.path / "link.pt").symlink_to("a.pt")
    vm.track()
    vm.mirror()
    (vm.path / "a.pt").write_bytes(b"b")
    vm.mirror()
    assert [file.path for file in newest(remote).files] == ["a.pt"]
    assert sum("seem unfinished" in line and name in line for line in vm.told) == 1
    assert sum("symbolic links are not mirrored" in line and "link.pt" in line for line in vm.told) == 1


def test_a_folder_that_says_it_is_incomplete_stays_out(vm: VM, remote: Counting) -> None:
    """transformers marks it so until its last file is there."""
    files = {"checkpoint-1/model.pt": b"1", "checkpoint-2/model.pt": b"2", "checkpoint-2/sub/x": b"x"}
    write(vm.path, {**files, "checkpoint-2/checkpoint-is-incomplete.txt": b""})
    vm.track()
    vm.mirror()
    assert [file.path for file in newest(remote).files] == ["checkpoint-1/model.pt"]
    (vm.path / "checkpoint-2" / "checkpoint-is-incomplete.txt").unlink()
    vm.mirror()
    assert [file.path for file in newest(remote).files] == sorted(files)


def test_a_log_that_grows_all_the_time_keeps_nothing_back(vm: VM, remote: Counting) -> None:
    """It is taken up to its last whole line; for logs alone a set is made only now and then, and for who waits."""
    write(vm.path, {"a.pt": b"a", "results.csv": b"1,2\n"})
    vm.track()
    with (vm.path / "results.csv").open("ab", buffering=0) as log:
        for _ in range(6):
            vm.folders.look(0)
            log.write(b"3,4\n5,")
            vm.clock.advance(1.0)
        assert vm.folders.look(0)
        vm.folders.sync(lambda: False)
        (found,) = [file for file in newest(remote).files if file.path == "results.csv"]
        assert found.size == len(b"1,2\n" + b"3,4\n5," * 6) - 2
        log.write(b"6\n")
        assert not vm.folders.look(0)
        vm.mirror(request=1)
        assert len(remote.names(SETS)) == 2


def test_what_is_open_for_writing_has_not_settled(vm: VM, remote: Counting) -> None:
    """Somebody may be about to write the rest of it; a file that is held open for long is taken as it is."""
    write(vm.path, {"a.pt": b"a"})
    vm.track()
    with (vm.path / "a.pt").open("r+b"):
        for _ in range(10):
            assert not vm.folders.look(0)
            vm.clock.advance(1.0)
        vm.clock.advance(30.0)
        assert vm.folders.look(0)
    vm.mirror()
    assert len(remote.names(SETS)) == 1


def test_who_never_pauses_is_told(vm: VM, remote: Counting) -> None:
    """Nothing torn is mirrored instead, and the problem goes when there is a pause."""
    write(vm.path, {"a.pt": b"a"})
    vm.track()
    for number in range(70):
        (vm.path / "a.pt").write_bytes(b"%d" % number)
        assert not vm.folders.look(0)
        vm.clock.advance(1.0)
    (problem,) = vm.folders.problems.values()
    assert "without a pause" in problem
    assert vm.folders.status[0].problem == problem
    assert not remote.seen
    vm.mirror()
    assert not vm.folders.problems


class Overwriting:
    """While something is sent, its owner overwrites it, so many times."""

    def __init__(self, inner: Remote, path: Path, times: int) -> None:
        self.path, self.times = path, times
        self.confirms, self.list, self.get, self.delete = inner.confirms, inner.list, inner.get, inner.delete
        self._put = inner.put

    def put(self, name: str, source: Source) -> Receipt:
        if "/files/" in name and self.times:
            self.times -= 1
            self.path.write_bytes(bytes([65 + self.times]) * 5000)
        return self._put(name, source)

    def names(self, folder: str) -> list[str]:
        return [entry.name for entry in self.list(folder)]

    def read(self, name: str) -> bytes:
        sink = BytesIO()
        self.get(name, sink)
        return sink.getvalue()


@pytest.mark.parametrize("where", ["in memory", "folder", "fsspec"])
def test_a_file_that_changes_while_it_is_sent_costs_its_set(vm: VM, tmp_path: Path, where: str) -> None:
    """The remote never has its new bytes under its old digest; it is looked at again, whatever the back end raises."""
    inner = MemoryRemote() if where == "in memory" else open_remote(tmp_path / "remote")
    inner = inner if where != "fsspec" else open_remote(f"memory://{tmp_path.name}")
    remote = Overwriting(Retrying(inner, wait=lambda _: None), vm.path / "a.pt", 1)
    vm = VM(vm.disk, remote)
    write(vm.path, {"a.pt": b"a" * 5000})
    vm.track()
    vm.mirror()
    (name,) = remote.names(FILES)
    assert remote.read(name) == b"A" * 5000
    assert len(remote.names(SETS)) == 1
    assert not list((vm.disk / "store").rglob("staged/*"))


def test_who_overwrites_faster_than_the_line_is_copied_first(vm: VM) -> None:
    """After two losses the content is sent from a copy, and its owner may do what he likes meanwhile."""
    remote = Overwriting(MemoryRemote(), vm.path / "a.pt", 3)
    vm = VM(vm.disk, remote)
    write(vm.path, {"a.pt": b"a" * 5000})
    vm.track()
    for _ in range(30):
        if vm.folders.look(0):
            vm.folders.sync(lambda: False)
        if remote.names(SETS):
            break
        vm.clock.advance(1.0)
    assert remote.times == 0
    (name,) = remote.names(FILES)
    assert remote.read(name) == b"B" * 5000
    assert content(vm.path) == {"a.pt": b"A" * 5000}
    vm.mirror()
    assert not list((vm.disk / "store").rglob("staged/*"))


def test_a_full_remote_gives_up_the_oldest_sets_but_never_the_last(vm: VM) -> None:
    """And says so if that is not enough."""

    class Small(Counting):
        def put(self, name: str, source: Source) -> Receipt:
            if sum(stored.size for stored in self._objects.values()) + source.size > 35_000:
                raise RemoteFull("it is full", hint="free some space")
            return super().put(name, source)

    remote = Small()
    vm = VM(vm.disk, remote, keep=5)
    write(vm.path, {"a.pt": b"0" * 10_000})
    vm.track()
    for number in range(5):
        (vm.path / "a.pt").write_bytes(b"%d" % number * 10_000)
        vm.mirror()
    assert len(remote.names(SETS)) == 3
    (vm.path / "a.pt").write_bytes(b"x" * 40_000)
    with pytest.raises(RemoteFull):
        vm.mirror()
    assert len(remote.names(SETS)) == 1
    assert newest(remote).files[0].size == 10_000


def test_a_disk_that_takes_no_list_is_an_error_until_it_does(vm: VM, remote: Counting) -> None:
    """And not a folder at rest; files from before 1970 are nothing special."""
    write(vm.path, {"a.pt": b"a"})
    os.utime(vm.path / "a.pt", ns=(-(10**18), -(10**18)))
    vm.track()
    in_its_way = vm.disk / "store" / "folders" / "weights" / "sets"
    in_its_way.parent.mkdir(parents=True)
    in_its_way.write_bytes(b"")
    with pytest.raises(StoreError):
        vm.mirror()
    assert not vm.folders.rest
    in_its_way.unlink()
    vm.mirror()
    assert len(remote.names(SETS)) == 1


def test_a_failure_that_passes_is_gone_on_from(vm: VM) -> None:
    """What was sent before it is not sent again."""
    inner = Counting()
    away = RemoteUnavailable("the line is cut", hint="wait")
    vm = VM(vm.disk, FaultyRemote(inner, lambda number, verb, name: away if number == 8 else None))
    write(vm.path, {f"{n}.pt": b"%d" % n * 1000 for n in range(6)})
    vm.track()
    with pytest.raises(RemoteUnavailable):
        vm.mirror()
    vm.folders.forget()
    vm.mirror()
    files = [name for verb, name in inner.seen if verb == "put" and "/files/" in name]
    assert len(files) == len(set(files)) == 6


def test_a_session_that_was_overtaken_commits_nothing(vm: VM, remote: Counting) -> None:
    """Its right to write is looked at before each set."""
    write(vm.path, {"a.pt": b"a"})
    vm.track()

    def overtaken() -> None:
        raise RunInUse("another session has taken over", hint="end it")

    vm.folders.begin("aaaaaa", overtaken)
    with pytest.raises(RunInUse):
        vm.mirror()
    assert not remote.names(SETS)


def test_something_more_urgent_goes_first(vm: VM, remote: Counting) -> None:
    """Between two files the mirror may turn to a checkpoint, and goes on later with what was left."""
    write(vm.path, {f"{n}.pt": b"%d" % n * 1000 for n in range(9)})
    vm.track()
    while not vm.folders.look(0):
        vm.clock.advance(1.0)
    hurries = iter([False] * 10 + [True] * 100)
    vm.folders.sync(lambda: next(hurries))
    assert 0 < len(remote.names(FILES)) < 9
    assert not remote.names(SETS)
    assert not vm.folders.rest
    vm.mirror()
    assert len([name for verb, name in remote.seen if "/files/" in name]) == 9


def test_without_a_remote_one_line_says_that_it_is_not_mirrored(vm: VM) -> None:
    """And that is all that happens."""
    vm = VM(vm.disk, None)
    write(vm.path, {"a.pt": b"a"})
    assert vm.track() == vm.path
    assert len(vm.told) == 1
    assert "not mirrored" in vm.told[0]
    assert not vm.folders.watched


def test_folders_that_cannot_be_meant_are_refused(vm: VM, tmp_path: Path) -> None:
    """Each with the reason, before anything is touched."""
    write(vm.path, {"a.pt": b"a"})
    vm.track()
    assert vm.folders.add(vm.path) == vm.path
    with pytest.raises(UsageError, match="lie in each other"):
        vm.folders.add(vm.path / "deep")
    with pytest.raises(UsageError, match="is a file"):
        vm.folders.add(vm.path / "a.pt", name="b")
    with pytest.raises(UsageError, match="run's own"):
        vm.folders.add(vm.disk / "store" / "packs")
    with pytest.raises(UsageError, match="already"):
        vm.folders.add(tmp_path / "other" / "weights")
    with pytest.raises(UsageError, match="cannot be what a mirrored folder is called"):
        vm.folders.add(tmp_path / "a:b")


def test_an_emptied_folder_is_no_set(vm: VM, remote: Counting) -> None:
    """A framework that clears its folder before it writes must not take the last good set with it."""
    write(vm.path, {"a.pt": b"a"})
    vm.track()
    vm.mirror()
    write(vm.path, {})
    vm.mirror()
    assert len(remote.names(SETS)) == 1


def test_looking_costs_little_however_large_the_folder_is(vm: VM) -> None:
    """The more a look takes, the less often there is one, but for who waits."""

    def slow_clock() -> float:
        vm.clock.advance(0.1)
        return vm.clock()

    vm.track()
    assert vm.folders.pause(awaited=False) == 1.0
    vm.folders._clock = slow_clock
    vm.folders.look(0)
    assert vm.folders.pause(awaited=False) == pytest.approx(10.0)
    assert vm.folders.pause(awaited=True) < 0.5


def test_the_status_says_how_far_it_is(vm: VM) -> None:
    """Nothing, on its way, safe."""
    remote = MemoryRemote()
    vm = VM(vm.disk, remote)
    write(vm.path, {"a.pt": b"abc", "b.pt": b"abc"})
    vm.track()
    (status,) = vm.folders.status
    assert (status.files, status.captured_at, status.is_safe) == (0, None, True)
    vm.mirror()
    (status,) = vm.folders.status
    assert (status.name, status.files, status.size, status.is_safe) == ("weights", 2, 6, True)
    assert status.captured_at == status.sent_at is not None


def test_files_of_two_moments_are_never_one_set(vm: VM, remote: Counting) -> None:
    """Somebody writes while the contents are read; one of the old ones is on the remote already."""
    write(vm.path, {"a.pt": b"1", "b.pt": b"1"})
    vm.track()
    vm.mirror()
    (vm.path / "b.pt").write_bytes(b"2")
    while not vm.folders.look(0):
        vm.clock.advance(1.0)

    def meanwhile() -> bool:
        write(vm.path, {"a.pt": b"3", "b.pt": b"3"})
        return False

    vm.folders.sync(meanwhile)
    assert len(remote.names(SETS)) == 1
    vm.mirror()
    assert newest(remote).number == 2
    assert len({file.blob for file in newest(remote).files}) == 1
