"""Retrying: what is passing is tried again, what is refused is not, and every byte arrives once."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.errors import RemoteRefused, RemoteUnavailable, UsageError
from colab_resume.remotes import BytesSource, Remote
from colab_resume.remotes.retrying import Retrying
from colab_resume.testing import FaultyRemote, ManualClock, MemoryRemote

__all__: list[str] = []

VERBS = ["list", "put", "get", "delete"]


def dropped() -> RemoteUnavailable:
    return RemoteUnavailable("the line dropped", hint="plug it in")


def stocked() -> MemoryRemote:
    memory = MemoryRemote()
    memory.put("a", BytesSource(b"abcdefgh"))
    return memory


def do(verb: str, remote: Remote) -> None:
    match verb:
        case "list":
            assert [entry.name for entry in remote.list("")] == ["a"]
        case "put":
            assert remote.put("a", BytesSource(b"new")).size == 3
        case "get":
            sink = BytesIO()
            remote.get("a", sink)
            assert sink.getvalue() == b"abcdefgh"
        case "delete":
            remote.delete("a")


@pytest.mark.parametrize("verb", VERBS)
def test_passing_trouble_is_not_seen(verb: str) -> None:
    """Four failures in a row, then the answer, which is the one of an untroubled remote."""
    clock = ManualClock()
    flaky = FaultyRemote(stocked(), {number: dropped() for number in range(1, 5)})
    do(verb, Retrying(flaky, wait=clock.wait))
    assert flaky.operations == 5
    assert len(clock.waits) == 4


@pytest.mark.parametrize("verb", VERBS)
def test_the_last_failure_is_told_with_the_number_of_tries(verb: str) -> None:
    """After the last attempt there is no more waiting; text, hint and cause of the failure are kept."""
    clock = ManualClock()
    dead = FaultyRemote(stocked(), {n: RemoteUnavailable(f"failure {n}", hint="plug it in") for n in range(1, 10)})
    with pytest.raises(RemoteUnavailable, match=r"failure 3 \(tries: 3\)") as caught:
        do(verb, Retrying(dead, attempts=3, wait=clock.wait))
    assert caught.value.hint == "plug it in"
    assert isinstance(caught.value.__cause__, RemoteUnavailable)
    assert dead.operations == 3
    assert len(clock.waits) == 2


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "error", [RemoteRefused("full", hint="free space"), ValueError("a bug")], ids=["refused", "bug"]
)
def test_what_is_not_passing_goes_straight_through(verb: str, error: Exception) -> None:
    """One question, the very same error, no wait."""
    clock = ManualClock()
    refusing = FaultyRemote(stocked(), {1: error})
    with pytest.raises(type(error)) as caught:
        do(verb, Retrying(refusing, wait=clock.wait))
    assert caught.value is error
    assert refusing.operations == 1
    assert clock.waits == ()


def test_a_refusal_after_passing_trouble_ends_the_tries() -> None:
    """The back end's word counts at every try."""
    flaky = FaultyRemote(stocked(), {1: dropped(), 2: RemoteRefused("full", hint="free space")})
    with pytest.raises(RemoteRefused):
        Retrying(flaky, wait=ManualClock().wait).list("")
    assert flaky.operations == 2


def test_waits_double_up_to_the_longest() -> None:
    """Without luck the waits are 0.5, 1, 2, ... and never longer than the limit."""
    clock = ManualClock()
    dead = FaultyRemote(MemoryRemote(), dict.fromkeys(range(1, 10), dropped()))
    with pytest.raises(RemoteUnavailable):
        Retrying(dead, attempts=8, longest_wait=6.0, wait=clock.wait, jitter=lambda: 1.0).list("")
    assert clock.waits == (0.5, 1.0, 2.0, 4.0, 6.0, 6.0, 6.0)


def test_jitter_reaches_from_zero_to_the_whole_wait() -> None:
    """Each wait is its ceiling times one draw."""
    clock = ManualClock()
    draws = iter([0.0, 0.25, 0.5])
    dead = FaultyRemote(MemoryRemote(), dict.fromkeys(range(1, 10), dropped()))
    with pytest.raises(RemoteUnavailable):
        Retrying(dead, attempts=4, first_wait=4.0, wait=clock.wait, jitter=lambda: next(draws)).list("")
    assert clock.waits == (0.0, 2.0, 8.0)


def test_each_question_begins_anew() -> None:
    """Tries and waits of one operation are not charged to the next."""
    clock = ManualClock()
    flaky = FaultyRemote(MemoryRemote(), {1: dropped(), 2: dropped(), 4: dropped(), 5: dropped()})
    remote = Retrying(flaky, attempts=3, wait=clock.wait, jitter=lambda: 1.0)
    remote.list("")
    remote.list("")
    assert clock.waits == (0.5, 1.0, 0.5, 1.0)


@given(data=st.binary(max_size=300), offset=st.integers(0, 310), failures=st.integers(0, 9))
def test_a_broken_download_goes_on_where_it_stopped(data: bytes, offset: int, failures: int) -> None:
    """However often it breaks in the middle, the sink gets each byte from the offset on once and in order."""
    memory = MemoryRemote()
    memory.put("a", BytesSource(data))
    flaky = FaultyRemote(memory, {number: dropped() for number in range(1, failures + 1)})
    sink = BytesIO()
    Retrying(flaky, attempts=10, wait=ManualClock().wait).get("a", sink, offset)
    assert sink.getvalue() == data[offset:]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, TimeoutError])
def test_what_the_wait_raises_passes_through(interrupt: type[BaseException]) -> None:
    """A closing thread cuts the waits short, and its reason arrives alone."""

    def wait(seconds: float) -> None:
        raise interrupt

    flaky = FaultyRemote(MemoryRemote(), {1: dropped()})
    with pytest.raises(interrupt) as caught:
        Retrying(flaky, wait=wait).list("")
    assert caught.value.__context__ is None
    assert flaky.operations == 1


@pytest.mark.parametrize("confirms", [True, False])
def test_it_confirms_what_the_inner_one_confirms(confirms: bool) -> None:
    """A wrapper adds no certainty and takes none away."""
    memory = MemoryRemote()
    memory.confirms = confirms
    assert Retrying(memory).confirms is confirms


@pytest.mark.parametrize(
    "options",
    [{"attempts": 0}, {"first_wait": -1.0}, {"first_wait": 2.0, "longest_wait": 1.0}],
    ids=["no attempt", "negative wait", "shrinking waits"],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, float]) -> None:
    """At construction, with the reason."""
    with pytest.raises(UsageError):
        Retrying(MemoryRemote(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.25), (10.0, 10.0), (3600.0, 60.0)])
def test_a_remote_that_asks_to_be_left_alone_is_left_alone(asked: float, waited: float) -> None:
    """At least as long as it asks for, within reason: the next round comes anyway."""
    busy = RemoteUnavailable("too many requests", hint="wait")
    busy.retry_after = asked
    clock = ManualClock()
    Retrying(FaultyRemote(MemoryRemote(), {1: busy}), first_wait=0.5, wait=clock.wait, jitter=lambda: 0.5).list("")
    assert clock.waits == (waited,)
