"""The public test remotes and clock do what a test that trusts them believes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import BytesIO
from typing import Literal

import pytest
from contract_remote import RemoteContract, read, sizes

from colab_resume.errors import RemoteRefused, RemoteUnavailable, UsageError
from colab_resume.remotes import BytesSource, Remote
from colab_resume.testing import DyingRemote, FaultyRemote, ManualClock, MemoryRemote, VMDied

__all__: list[str] = []

When = Literal["before", "during", "after"]
MOMENTS: list[When] = ["before", "during", "after"]


class TestDyingRemoteAlive(RemoteContract):
    """Before its hour a dying remote is a remote like any other."""

    @pytest.fixture
    def remote(self) -> Remote:
        return DyingRemote(MemoryRemote(), sys.maxsize, when="during")


class TestFaultyRemoteWithoutFaults(RemoteContract):
    """Between its faults a faulty remote is a remote like any other."""

    @pytest.fixture
    def remote(self) -> Remote:
        return FaultyRemote(MemoryRemote(), {})


def stocked() -> MemoryRemote:
    memory = MemoryRemote()
    memory.put("a", BytesSource(b"old"))
    return memory


@pytest.mark.parametrize(("when", "left"), [("before", b"old"), ("during", b"new con"), ("after", b"new content 12")])
def test_a_put_ends_at_the_chosen_moment(when: When, left: bytes) -> None:
    """Before: the old content. During: the first half under the final name. After: the new one."""
    memory = stocked()
    with pytest.raises(VMDied):
        DyingRemote(memory, 1, when=when).put("a", BytesSource(b"new content 12"))
    assert read(memory, "a") == left


@pytest.mark.parametrize(("when", "written"), [("before", b""), ("during", b"cde"), ("after", b"cdefgh")])
def test_a_get_ends_at_the_chosen_moment(when: When, written: bytes) -> None:
    """Before: an empty sink. During: half of the bytes from the offset on. After: all of them."""
    memory = MemoryRemote()
    memory.put("a", BytesSource(b"abcdefgh"))
    sink = BytesIO()
    with pytest.raises(VMDied):
        DyingRemote(memory, 1, when=when).get("a", sink, 2)
    assert sink.getvalue() == written


@pytest.mark.parametrize(("when", "left"), [("before", {"a": 3}), ("during", {"a": 3}), ("after", {})])
def test_a_delete_ends_at_the_chosen_moment(when: When, left: dict[str, int]) -> None:
    """A delete has no middle: it has happened only after."""
    memory = stocked()
    with pytest.raises(VMDied):
        DyingRemote(memory, 1, when=when).delete("a")
    assert sizes(memory, "") == left


@pytest.mark.parametrize("when", MOMENTS)
def test_a_list_ends_without_an_answer(when: When) -> None:
    """Whatever the moment, nobody gets to see the listing."""
    with pytest.raises(VMDied):
        DyingRemote(stocked(), 1, when=when).list("")


@pytest.mark.parametrize("when", MOMENTS)
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_the_vm_dies_at_the_nth_operation_of_any_verb(nth: int, when: When) -> None:
    """Operations before it succeed, and none after it reaches the remote."""
    memory = stocked()
    remote = DyingRemote(memory, nth, when=when)
    acts: list[Callable[[], object]] = [
        lambda: remote.list(""),
        lambda: remote.put("b", BytesSource(b"x")),
        lambda: remote.get("a", BytesIO()),
        lambda: remote.delete("b"),
    ]
    for act in acts[: nth - 1]:
        act()
    for act in [*acts[nth - 1 :], *acts]:
        before = sizes(memory, "")
        with pytest.raises(VMDied):
            act()
        if act is not acts[nth - 1]:
            assert sizes(memory, "") == before


@pytest.mark.parametrize("when", MOMENTS)
def test_a_refusal_in_the_last_moment_saves_nobody(when: When) -> None:
    """The VM dies at the nth operation even if that one would have been refused."""
    with pytest.raises(VMDied):
        DyingRemote(MemoryRemote(), 1, when=when).get("not there", BytesIO())


def test_operations_are_counted_so_that_all_deaths_can_be_tried() -> None:
    """A run without death tells how many operations there are to die at."""
    remote = DyingRemote(stocked(), sys.maxsize, when="after")
    assert remote.operations == 0
    remote.list("")
    remote.put("b", BytesSource(b"x"))
    remote.get("b", BytesIO())
    remote.delete("b")
    assert remote.operations == 4


def test_no_handler_of_exceptions_survives_the_vm() -> None:
    """`except Exception` does not catch the death of the machine."""
    assert not issubclass(VMDied, Exception)


def test_a_death_that_cannot_come_is_refused() -> None:
    """A number below one or an unknown moment would test nothing."""
    with pytest.raises(UsageError):
        DyingRemote(MemoryRemote(), 0, when="before")
    with pytest.raises(UsageError):
        DyingRemote(MemoryRemote(), 1, when="meanwhile")  # type: ignore[arg-type]


def test_a_fault_comes_instead_of_the_operation() -> None:
    """The chosen error is raised at the chosen number, nothing happens, and the next operation works."""
    memory = stocked()
    full = RemoteRefused("full", hint="free space")
    remote = FaultyRemote(memory, {1: full, 3: full})
    with pytest.raises(RemoteRefused) as caught:
        remote.put("a", BytesSource(b"new"))
    assert caught.value is full
    assert read(memory, "a") == b"old"
    remote.put("a", BytesSource(b"new"))
    with pytest.raises(RemoteRefused):
        remote.delete("a")
    assert read(memory, "a") == b"new"
    assert remote.operations == 3


def test_a_faulty_get_has_written_half() -> None:
    """As when a connection breaks: the sink holds the first half of what was asked for."""
    memory = MemoryRemote()
    memory.put("a", BytesSource(b"abcdefgh"))
    sink = BytesIO()
    with pytest.raises(RemoteUnavailable):
        FaultyRemote(memory, {1: RemoteUnavailable("dropped", hint="again")}).get("a", sink, 2)
    assert sink.getvalue() == b"cde"


def test_faults_can_be_chosen_by_verb_and_name() -> None:
    """A function is asked with number, verb and name of each operation."""
    asked: list[tuple[int, str, str]] = []

    def manifests_fail(number: int, verb: str, name: str) -> Exception | None:
        asked.append((number, verb, name))
        return RemoteRefused("no", hint="none") if verb == "put" and name.startswith("checkpoints/") else None

    remote = FaultyRemote(MemoryRemote(), manifests_fail)
    remote.put("packs/a", BytesSource(b"x"))
    with pytest.raises(RemoteRefused):
        remote.put("checkpoints/a", BytesSource(b"x"))
    remote.list("checkpoints")
    remote.delete("packs/a")
    expected = [("put", "packs/a"), ("put", "checkpoints/a"), ("list", "checkpoints"), ("delete", "packs/a")]
    assert [(number, *operation) for number, operation in enumerate(expected, start=1)] == asked


@pytest.mark.parametrize("confirms", [True, False])
def test_wrappers_confirm_what_the_inner_one_confirms(confirms: bool) -> None:
    """A remote that does not confirm cannot be made to by wrapping it."""
    memory = MemoryRemote()
    memory.confirms = confirms
    assert DyingRemote(memory, 1, when="after").confirms is confirms
    assert FaultyRemote(memory, {}).confirms is confirms


def test_memory_knows_the_md5_of_all_it_holds() -> None:
    """Like Drive, and unlike a folder, it lists checksums."""
    assert [entry.md5 for entry in stocked().list("")] == [BytesSource(b"old").md5]


def test_time_passes_only_by_hand() -> None:
    """The clock stands still until it is advanced or waited on, and every wait is remembered."""
    clock = ManualClock(start=100.0)
    assert clock() == clock() == 100.0
    clock.advance(5.0)
    clock.wait(0.5)
    clock.wait(2.0)
    assert clock() == 107.5
    assert clock.waits == (0.5, 2.0)


def test_time_does_not_run_backwards() -> None:
    """A negative step is a mistake in the test."""
    clock = ManualClock()
    with pytest.raises(UsageError):
        clock.advance(-1.0)
    with pytest.raises(UsageError):
        clock.wait(-1.0)
    assert clock() == 1_000_000.0
    assert clock.waits == ()
