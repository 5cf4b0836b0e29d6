"""The replay proof says whether the steps that were lost came out the same, bit by bit."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.training.records import Record, Scalar
from colab_resume.training.replay import Replay, ReplayReport

NAN = float("nan")
OTHER_NAN = struct.unpack(">d", bytes.fromhex("7ff8000000000001"))[0]


def record(step: int, session: str = "bbbbbb", **values: Scalar) -> Record:
    return Record(step, None, values, session)


def replayed(lost: list[Record], *now: Record) -> Replay:
    replay = Replay(lost)
    for one in now:
        replay.observe(one)
    return replay


def test_all_losses_identical_is_said_in_one_line() -> None:
    """25 lost steps that log the same again are 25 of 25 bit-identical; before that, "so far"."""
    lost = [record(step, "aaaaaa", loss=1 / (step + 1)) for step in range(1240, 1265)]
    again = [record(step, loss=1 / (step + 1)) for step in range(1240, 1265)]
    assert replayed(lost, *again[:10]).line == "10 of 25 losses bit-identical so far"
    replay = replayed(lost, *again)
    assert replay.line == "25 of 25 losses bit-identical"
    assert replay.report == ReplayReport(lost=25, replayed=25, identical=25, noun="losses")


def test_the_first_difference_is_named_and_kept() -> None:
    """The step, the metric and both values are said, and later differences do not replace them."""
    lost = [record(1242, loss=0.75), record(1243, loss=0.53124), record(1244, loss=0.5)]
    replay = replayed(lost, record(1242, loss=0.75), record(1243, loss=0.53131), record(1244, loss=0.1))
    assert replay.line == "step 1243: loss 0.5312 before, 0.5313 now (first difference)"
    assert (replay.report.lost, replay.report.replayed, replay.report.identical) == (3, 3, 1)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (0.1, 0.1 + 2**-56, "loss 0.10000000000000001 before, 0.10000000000000002 now"),
        (0.0, -0.0, "loss 0 before, -0 now"),
        (NAN, OTHER_NAN, "loss nan (bits 7ff8000000000000) before, nan (bits 7ff8000000000001) now"),
        (NAN, 0.5, "loss nan before, 0.5 now"),
        (1, 1.0, "loss 1 before, 1.0 now"),
        (True, 1, "loss True before, 1 now"),
        ("a", "b", "loss 'a' before, 'b' now"),
        (None, 0.5, "loss None before, 0.5 now"),
    ],
)
def test_one_bit_or_another_type_is_a_difference(before: Scalar, now: Scalar, said: str) -> None:
    """As many digits are shown as it takes to see the difference."""
    assert replayed([record(7, loss=before)], record(7, loss=now)).line == f"step 7: {said} (first difference)"


@given(raw=st.binary(min_size=8, max_size=8))
def test_every_float_is_identical_to_itself(raw: bytes) -> None:
    """Equality is by bits, so NaN with the same payload is the same."""
    (value,) = struct.unpack(">d", raw)
    assert replayed([record(7, loss=value)], record(7, loss=value)).report.identical == 1


def test_a_metric_that_comes_or_goes_is_a_difference() -> None:
    """A record is identical only if it has the same metrics."""
    assert replayed([record(7, loss=0.5, accuracy=1.0)], record(7, loss=0.5)).line == (
        "step 7: accuracy 1 before, not logged now (first difference)"
    )
    assert replayed([record(7, loss=0.5)], record(7, loss=0.5, accuracy=1.0)).line == (
        "step 7: accuracy not logged before, 1 now (first difference)"
    )


def test_a_step_logged_twice_is_compared_in_order() -> None:
    """Training and validation metrics of one step are each held against their own."""
    lost = [record(7, loss=0.5), record(7, val=0.25)]
    assert replayed(lost, record(7, loss=0.5), record(7, val=0.25)).line == "2 of 2 records bit-identical"


def test_steps_that_are_not_logged_again_are_counted_and_not_blamed() -> None:
    """Who logs less often now gets a proof of what was logged, and is told that it is not all."""
    lost = [record(step, loss=0.5) for step in range(4)]
    replay = replayed(lost, record(0, loss=0.5), record(2, loss=0.5))
    assert replay.line == "2 of 4 losses bit-identical so far"
    replay.observe(record(4, loss=0.1))
    assert replay.line == "2 of 4 losses bit-identical, the others were not logged again"


def test_records_of_steps_that_were_not_lost_do_not_count() -> None:
    """New steps, and steps that the dead session did not log, are neither replayed nor different."""
    replay = replayed([record(7, loss=0.5)], record(6, loss=0.1), record(8, loss=0.1), record(7, loss=0.1))
    assert (replay.report.replayed, replay.report.first_difference) == (0, None)
    assert replay.report.over


def test_without_lost_steps_there_is_nothing_to_replay() -> None:
    """A session that ended clean leaves nothing to prove."""
    assert replayed([], record(7, loss=0.5)).line == "nothing to replay"
