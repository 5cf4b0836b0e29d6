"""A limit for uploads: what it means, and that several uploads together keep it."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from contract_remote import RemoteContract, read

from colab_resume.errors import UsageError
from colab_resume.remotes import BytesSource, Remote
from colab_resume.remotes.abilities import Space, space_of
from colab_resume.remotes.throttled import Throttled, bytes_per_second
from colab_resume.testing import ManualClock, MemoryRemote

MB = 10**6


class TestThrottled(RemoteContract):
    @pytest.fixture
    def remote(self) -> Remote:
        clock = ManualClock()
        return Throttled(MemoryRemote(), MB, wait=clock.wait, clock=clock)


@pytest.mark.parametrize(
    ("limit", "rate"),
    [("5 MB/s", 5e6), ("5MB/s", 5e6), ("20 Mbit/s", 2.5e6), ("300 kB/s", 3e5), ("1.5 GB/s", 1.5e9), (1000, 1000.0)],
)
def test_a_limit_is_said_as_people_say_it(limit: str | float, rate: float) -> None:
    """With a unit, or as bytes a second."""
    assert bytes_per_second(limit) == rate


@pytest.mark.parametrize(
    "limit", ["", "fast", "5", "MB/s", "5 MB", "0 MB/s", "-1 MB/s", "1..5 MB/s", 0, -1, math.nan, math.inf]
)
def test_what_is_no_rate_is_refused(limit: str | float) -> None:
    """With an example of one."""
    with pytest.raises(UsageError, match="upload_limit") as raised:
        bytes_per_second(limit)
    assert "MB/s" in raised.value.hint


def test_an_upload_takes_as_long_as_the_limit_says() -> None:
    """Ten megabytes at one a second: ten seconds, whatever the pieces."""
    clock = ManualClock()
    begin = clock()
    remote = Throttled(MemoryRemote(), MB, wait=clock.wait, clock=clock)
    remote.put("a", BytesSource(bytes(10 * MB)))
    assert clock() - begin == pytest.approx(10, rel=0.02)
    assert max(clock.waits) < 0.2


def test_uploads_at_the_same_time_share_the_limit() -> None:
    """Four threads that do not wait leave a debt as large as what all have sent: the next one would wait for it."""
    owed: list[float] = []
    remote = Throttled(MemoryRemote(), MB, wait=owed.append, clock=lambda: 0.0)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: remote.put(f"{number}", BytesSource(bytes(MB))), range(4)))
    remote.put("next", BytesSource(b"x"))
    assert owed[-1] == pytest.approx(4.0)


def test_downloads_are_not_limited() -> None:
    """A restart has somebody waiting for it."""
    clock = ManualClock()
    inner = MemoryRemote()
    inner.put("a", BytesSource(bytes(MB)))
    assert read(Throttled(inner, 1.0, wait=clock.wait, clock=clock), "a") == bytes(MB)
    assert clock.waits == ()


def test_the_space_of_the_remote_inside_is_told() -> None:
    """A wrapper hides nothing."""

    class Spacious(MemoryRemote):
        def space(self) -> Space:
            return Space(total=10, free=5)

    assert space_of(Throttled(Spacious(), MB)) == Space(total=10, free=5)
    assert space_of(Throttled(MemoryRemote(), MB)) is None
