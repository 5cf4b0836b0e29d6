"""Which checkpoints are kept."""

from __future__ import annotations

import math
from typing import Any

import pytest
from checkpoints.drafts import manifest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.checkpoints.manifest import Manifest
from colab_resume.checkpoints.retention import Best, Keep, kept
from colab_resume.errors import UsageError

LOSS = Best("loss", "min")
drafts = st.builds(
    manifest,
    st.integers(0, 50),
    generation=st.integers(0, 3),
    created=st.floats(0, 100_000),
    tags=st.sampled_from([(), ("best",)]),
    metrics=st.dictionaries(st.just("loss"), st.floats()),
)
runs = st.lists(drafts, max_size=12, unique_by=lambda manifest: manifest.name)
rules = st.builds(
    Keep,
    last=st.integers(2, 4),
    hours=st.none() | st.floats(0.1, 10),
    tagged=st.booleans(),
    best=st.integers(0, 2),
)
bests = st.sampled_from([None, LOSS, Best("loss", "max")])


def steps(manifests: list[Manifest], by: Best | None = None, **keep: Any) -> list[int]:
    """The steps of what is kept."""
    return sorted(int(name[:10]) for name in kept(manifests, Keep(**keep), by))


@given(runs, rules, bests)
def test_the_newest_is_always_kept(run: list[Manifest], keep: Keep, best: Best | None) -> None:
    """Whatever the rules, the newest checkpoint and the one before it stay."""
    newest = sorted(run, key=lambda manifest: manifest.rank)[-1:]
    names = kept(run, keep, best)
    assert {manifest.rank for manifest in newest} <= {manifest.rank for manifest in run if manifest.name in names}
    assert len(names) >= min(2, len(run))


@given(runs, rules, bests)
def test_keeping_twice_keeps_the_same(run: list[Manifest], keep: Keep, best: Best | None) -> None:
    """What was kept is kept again, in whatever order it is looked at."""
    once = kept(run, keep, best)
    assert kept([manifest for manifest in reversed(run) if manifest.name in once], keep, best) == once


@given(runs, st.floats(0.1, 10))
def test_what_the_hours_keep_is_kept_for_good(run: list[Manifest], hours: float) -> None:
    """A checkpoint kept for its hour stays kept as others come, even from a VM whose clock is wrong."""
    keep = Keep(last=2, hours=hours, tagged=False, best=0)
    run = sorted(run, key=lambda manifest: (manifest.rank, manifest.created))
    for count in range(2, len(run)):
        for_good = kept(run[:count], keep, None) - {manifest.name for manifest in run[count - 2 : count]}
        assert for_good <= kept(run, keep, None)


def test_the_last_ones_are_those_of_the_last_generation() -> None:
    """After a restore the same steps come again; the newer are those of the later generation."""
    run = [manifest(step, generation=0) for step in (10, 20, 30)] + [manifest(step, generation=1) for step in (11, 12)]
    assert steps(run, last=3) == [11, 12, 30]


def test_a_state_that_was_saved_twice_counts_once() -> None:
    """The end of a loop and `finish` save the same step: that must not push out two older ones."""
    run = [manifest(10), manifest(20), manifest(30), manifest(30, serial=1), manifest(30, serial=2)]
    assert kept(run, Keep(last=3), None) == {run[0].name, run[1].name, run[4].name}


def test_one_of_every_so_many_hours_is_kept() -> None:
    """Of each span of hours the first stays."""
    run = [manifest(step, created=step * 1800.0) for step in range(12)]
    assert steps(run, last=2, hours=2) == [0, 4, 8, 10, 11]


def test_tagged_ones_are_kept_if_wanted() -> None:
    """A tag keeps a checkpoint, unless the rule says otherwise."""
    run = [manifest(step, tags=("mine",) if step == 1 else ()) for step in range(6)]
    assert steps(run, last=2) == [1, 4, 5]
    assert steps(run, last=2, tagged=False) == [4, 5]


@pytest.mark.parametrize(("mode", "expected"), [("min", [1, 4, 5]), ("max", [2, 4, 5])])
def test_the_best_is_kept(mode: Any, expected: list[int]) -> None:
    """The best is that with the least, or the most, of the metric."""
    run = [manifest(step, metrics={"loss": loss}) for step, loss in enumerate([3.0, 1.0, 9.0, 2.0, 5.0, 5.0])]
    assert steps(run, Best("loss", mode), last=2) == expected


def test_so_many_best_are_kept_and_the_oldest_of_equals() -> None:
    """Of equally good ones the oldest counts as the best, so that the best does not move without reason."""
    run = [manifest(step, metrics={"loss": 1.0}) for step in range(6)]
    assert steps(run, LOSS, last=2, best=0) == [4, 5]
    assert steps(run, LOSS, last=2, best=2) == [0, 1, 4, 5]
    assert steps(run, Best("loss", "max"), last=2, best=1) == [0, 4, 5]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_nan_is_never_the_best(mode: Any) -> None:
    """A diverged loss does not make a checkpoint the best, nor does a metric that was not logged."""
    values = [{"loss": math.nan}, {"loss": 2.0}, {"gain": 1.0}, {}, {"loss": math.nan}, {}]
    run = [manifest(step, metrics=metrics) for step, metrics in enumerate(values)]
    assert steps(run, Best("loss", mode), last=2, best=3) == [1, 4, 5]


@pytest.mark.parametrize(
    "rule",
    [
        {"last": 1},
        {"last": 0},
        {"last": 2.0},
        {"last": True},
        {"hours": 0},
        {"hours": -1.0},
        {"hours": math.nan},
        {"hours": math.inf},
        {"best": -1},
        {"best": 1.5},
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: dict[str, Any]) -> None:
    """Fewer than two last ones, or a number that is none, is refused at once, with the reason."""
    with pytest.raises(UsageError):
        Keep(**rule)


def test_a_mode_that_is_none_is_refused() -> None:
    """The best is the least or the most, nothing else."""
    with pytest.raises(UsageError, match="neither"):
        Best("loss", "lowest")  # type: ignore[arg-type]
